//! A container image with the `hyaline` command and one function.

use crate::file::File;
use crate::server::{self, FUNCTIONS, STATE, USER};
use crate::spin;
use crate::subject::Subject;
use crate::text::one_line;

/// The build file, and the manifest if the function may call others.
pub(crate) fn files(subject: &Subject) -> Vec<File> {
    let name = &subject.name;
    let component = &subject.component;
    let port = subject.listen.port();
    let description = subject
        .description
        .as_deref()
        .map_or(String::new(), |text| {
            format!(
                " \\\n      org.opencontainers.image.description=\"{}\"",
                quoted(&one_line(text, 1000))
            )
        });
    let calls_out = !subject.allowed_outbound_hosts.is_empty();
    let certificates = if calls_out {
        " \\\n    && apt-get update \\\n    && apt-get install --yes --no-install-recommends ca-certificates \\\n    && \
         rm -rf /var/lib/apt/lists/*"
    } else {
        ""
    };
    let manifest = if calls_out {
        format!("COPY --chmod=0644 {} {FUNCTIONS}/{0}\n", spin::MANIFEST)
    } else {
        String::new()
    };
    let command =
        serde_json::to_string(&server::in_container(subject)).expect("a list of texts is JSON");
    let text = format!(
        "# The function `{name}` and the command that serves it. Put two files beside this one and build:\n\
         #   hyaline       the command, for Linux\n\
         #   {component}   the function\n\
         #   podman build --tag {name} .\n\
         #   podman run --rm --read-only --tmpfs {STATE}:mode=1777 --publish {port}:{port} {name}\n\
         ARG BASE=debian:stable-slim\n\
         FROM ${{BASE}}\n\
         LABEL org.opencontainers.image.title=\"{name}\"{description}\n\
         RUN install --directory --owner={USER} --group={USER} {STATE}{certificates}\n\
         COPY --chmod=0755 hyaline /usr/local/bin/hyaline\n\
         COPY --chmod=0644 {component} {FUNCTIONS}/{component}\n\
         {manifest}\
         ENV HYALINE_STATE={STATE} XDG_CACHE_HOME={STATE}/cache\n\
         USER {USER}:{USER}\n\
         EXPOSE {port}\n\
         STOPSIGNAL SIGTERM\n\
         ENTRYPOINT [\"/usr/local/bin/hyaline\"]\n\
         CMD {command}\n"
    );
    let mut files = vec![File::new("Containerfile", text)];
    files.extend(server::manifest(subject));
    files
}

/// For the inside of double quotes, where a build file reads `\`, `"` and `$`.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for character in text.chars() {
        if matches!(character, '\\' | '"' | '$') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted
}
