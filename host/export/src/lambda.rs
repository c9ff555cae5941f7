//! AWS Lambda: a SAM template, the bootstrap program of the runtime `provided.al2023`, and the Makefile with which
//! `sam build` collects the files.

use serde_json::json;

use crate::error::ExportError;
use crate::file::File;
use crate::subject::{Architecture, Subject};
use crate::target::Target;
use crate::text::one_line;
use crate::yaml;

pub(crate) fn files(subject: &Subject) -> Result<Vec<File>, ExportError> {
    let target = Target::Lambda;
    subject.without_secrets(
        target,
        "read them from Secrets Manager by an extension of Lambda",
    )?;
    if !subject.allowed_outbound_hosts.is_empty() {
        return Err(ExportError::Unsupported {
            target,
            what: "let the function send requests",
            remedy: "remove `allowed_outbound_hosts`, or export for a target that runs a server",
        });
    }
    let range = |what, value, unit, least, most| {
        if (least..=most).contains(&value) {
            Ok(())
        } else {
            Err(ExportError::OutOfRange {
                target: "AWS Lambda",
                what,
                value,
                unit,
                least,
                most,
            })
        }
    };
    let seconds = subject.deadline_seconds().unwrap_or(30);
    range("the memory", subject.memory_mib.into(), "MiB", 128, 10_240)?;
    range("the deadline", seconds, "seconds", 1, 900)?;
    Ok(vec![
        template(subject, seconds),
        bootstrap(subject),
        makefile(subject),
    ])
}

fn template(subject: &Subject, seconds: u64) -> File {
    let name = subject.name.as_str();
    let description = subject.description.as_deref().unwrap_or(name);
    let architecture = match subject.architecture {
        Architecture::X86_64 => "x86_64",
        Architecture::Arm64 => "arm64",
    };
    let document = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": format!("The function {name}, served by Hyaline."),
        "Resources": {
            "Function": {
                "Type": "AWS::Serverless::Function",
                "Metadata": {"BuildMethod": "makefile"},
                "Properties": {
                    "FunctionName": name,
                    "Description": one_line(description, 256),
                    "CodeUri": ".",
                    "Handler": "bootstrap",
                    "Runtime": "provided.al2023",
                    "Architectures": [architecture],
                    "MemorySize": subject.memory_mib,
                    "Timeout": seconds,
                    "AutoPublishAlias": "live",
                    // Lambda keeps what is below `/tmp`, and nothing else, when it starts the command again in the same
                    // environment.
                    "Environment": {"Variables": {"HYALINE_CACHE": "/tmp/hyaline"}},
                    "FunctionUrlConfig": {"AuthType": "AWS_IAM"}
                }
            }
        },
        "Outputs": {
            "Url": {
                "Description": "Where the function answers requests that are signed for AWS.",
                "Value": {"Fn::GetAtt": ["FunctionUrl", "FunctionUrl"]}
            }
        }
    });
    let head = format!(
        "# The function `{name}` on AWS Lambda: sam build && sam deploy --guided\n\
         # Put two files beside this one first: `hyaline`, the command for Linux on {architecture}, and `{}`.\n",
        subject.component
    );
    File::new("template.yaml", yaml::documents(&head, &[document]))
}

fn bootstrap(subject: &Subject) -> File {
    File::program(
        "bootstrap",
        format!(
            "#!/bin/sh\n# Lambda starts this; `hyaline lambda` asks its runtime API for one event after the other.\nset \
             -eu\ncd \"$LAMBDA_TASK_ROOT\"\nexec ./hyaline lambda {}\n",
            subject.component
        ),
    )
}

fn makefile(subject: &Subject) -> File {
    File::new(
        "Makefile",
        format!(
            "# `sam build` runs this for the resource `Function` of template.yaml.\n.PHONY: build-Function\nbuild-Function:\n\
             \tinstall -m 0755 bootstrap hyaline \"$(ARTIFACTS_DIR)\"\n\
             \tinstall -m 0644 {} \"$(ARTIFACTS_DIR)\"\n",
            subject.component
        ),
    )
}
