//! What Lambda says in environment variables.

use std::path::{Path, PathBuf};

/// This process does not run where Lambda's functions run, or the function is not where it should be.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A variable that Lambda sets is not set, or no text.
    #[error(
        "the environment variable `{variable}` is not set; `hyaline lambda` runs as the bootstrap of a Lambda function (or \
         under AWS's runtime interface emulator), use `hyaline up` elsewhere"
    )]
    Missing {
        /// The variable.
        variable: &'static str,
    },
    /// A variable has a value that Lambda would not give it.
    #[error("the environment variable `{variable}` is `{value}`; expected {expected}")]
    Malformed {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// There is no component, or more than one, and nothing says which.
    #[error(
        "{} component(s) in `{}`, and the handler `{handler}` is none of them; name the function on the command line or \
         make the handler the name of its file",
        found,
        folder.display()
    )]
    WhichComponent {
        /// The folder of the function's code.
        folder: PathBuf,
        /// Components there are.
        found: usize,
        /// The handler, as the function's configuration has it.
        handler: String,
    },
    /// The folder of the function's code cannot be read.
    #[error("cannot read `{}`", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

/// MiB of Lambda's memory that the process itself needs beside the function's instance.
const OWN_MEMORY: u64 = 64;

type Lookup<'l> = &'l dyn Fn(&str) -> Option<String>;

/// That everything is there which AWS's client would otherwise miss in the middle of its work.
pub(crate) fn check(lookup: impl Fn(&str) -> Option<String>) -> Result<(), EnvironmentError> {
    let required = |variable| lookup(variable).ok_or(EnvironmentError::Missing { variable });
    let address = required(RUNTIME_API)?;
    if address.parse::<http::uri::Authority>().is_err() {
        return Err(EnvironmentError::Malformed {
            variable: RUNTIME_API,
            value: address,
            expected: "a host and a port",
        });
    }
    required("AWS_LAMBDA_FUNCTION_NAME")?;
    required("AWS_LAMBDA_FUNCTION_VERSION")?;
    let memory = required(MEMORY_SIZE)?;
    if memory.parse::<i32>().is_err() {
        return Err(EnvironmentError::Malformed {
            variable: MEMORY_SIZE,
            value: memory,
            expected: "a number of megabytes",
        });
    }
    Ok(())
}

/// Bytes of linear memory for an instance: an equal share, for each event that may be handled at once, of what the function
/// was configured with but for what this process needs itself, at most half of it. `None` when nothing is said.
pub(crate) fn memory(lookup: Lookup<'_>) -> Option<u64> {
    let configured: u64 = lookup(MEMORY_SIZE)?.parse().ok()?;
    let own = OWN_MEMORY.min(configured / 2);
    Some(((configured - own) << 20) / u64::from(concurrency(lookup)))
}

/// Events that may be handled at once.
pub(crate) fn concurrency(lookup: Lookup<'_>) -> u32 {
    let given = lookup("AWS_LAMBDA_MAX_CONCURRENCY").and_then(|text| text.parse().ok());
    given.unwrap_or(1).max(1)
}

/// The component to run when the command line names none: the file that the function's handler names in the folder of its
/// code, with or without `.wasm`; else the only component there.
///
/// # Errors
/// [`EnvironmentError`]: no folder of code (so not on Lambda), or no single component in it.
pub fn find_component() -> Result<PathBuf, EnvironmentError> {
    find_component_in(&|name| std::env::var(name).ok())
}

fn find_component_in(lookup: Lookup<'_>) -> Result<PathBuf, EnvironmentError> {
    const TASK_ROOT: &str = "LAMBDA_TASK_ROOT";
    let folder = PathBuf::from(lookup(TASK_ROOT).ok_or(EnvironmentError::Missing {
        variable: TASK_ROOT,
    })?);
    let handler = lookup("_HANDLER").unwrap_or_default();
    let mut components = components(&folder).map_err(|source| EnvironmentError::Folder {
        folder: folder.clone(),
        source,
    })?;
    let named = |component: &PathBuf| {
        component
            .file_name()
            .is_some_and(|name| name == handler.as_str())
            || component
                .file_stem()
                .is_some_and(|stem| stem == handler.as_str())
    };
    if let Some(position) = components.iter().position(named) {
        return Ok(components.swap_remove(position));
    }
    match components.len() {
        1 => Ok(components.swap_remove(0)),
        found => Err(EnvironmentError::WhichComponent {
            folder,
            found,
            handler,
        }),
    }
}

fn components(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut components = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
            && path.is_file()
        {
            components.push(path);
        }
    }
    components.sort_unstable();
    Ok(components)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAMBDA: [(&str, &str); 4] = [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("AWS_LAMBDA_FUNCTION_NAME", "credit"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ];

    /// Lambda's variables, with another value (or none) for one of them.
    fn with(variable: &str, value: Option<&str>) -> impl Fn(&str) -> Option<String> {
        let variables: Vec<(String, String)> = LAMBDA
            .iter()
            .filter(|(name, _)| *name != variable)
            .copied()
            .chain(value.map(|value| (variable, value)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        move |name| {
            let mut variables = variables.iter();
            variables
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.clone())
        }
    }

    #[test]
    fn outside_of_lambda_the_command_says_what_is_missing() {
        assert!(check(with("", None)).is_ok());
        for (variable, _) in LAMBDA {
            let error = check(with(variable, None)).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!(
                    "the environment variable `{variable}` is not set; `hyaline lambda` runs as"
                )),
                "{error}"
            );
        }
        for (variable, value, words) in [
            (
                RUNTIME_API,
                "a b",
                "the environment variable `AWS_LAMBDA_RUNTIME_API` is `a b`; expected a host and a port",
            ),
            (
                MEMORY_SIZE,
                "1 GB",
                "the environment variable `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` is `1 GB`; expected a number of megabytes",
            ),
        ] {
            assert_eq!(
                check(with(variable, Some(value))).unwrap_err().to_string(),
                words
            );
        }
    }

    #[test]
    fn the_instance_gets_what_the_process_does_not_need() {
        for (configured, bytes) in [
            ("128", 64 << 20),
            ("512", 448 << 20),
            ("10240", 10_176 << 20),
            ("1", 1 << 20),
        ] {
            assert_eq!(
                memory(&with(MEMORY_SIZE, Some(configured))),
                Some(bytes),
                "{configured}"
            );
        }
        let shared = |name: &str| match name {
            "AWS_LAMBDA_MAX_CONCURRENCY" => Some("8".to_owned()),
            name => with("", None)(name),
        };
        assert_eq!(memory(&shared), Some((448 << 20) / 8), "all of them fit");
        assert_eq!(memory(&with(MEMORY_SIZE, None)), None);
        assert_eq!(concurrency(&with("", None)), 1);
        assert_eq!(
            concurrency(&with("AWS_LAMBDA_MAX_CONCURRENCY", Some("8"))),
            8
        );
    }

    #[test]
    fn the_handler_names_the_component_where_there_are_several() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        let find = |handler: &str| {
            let lookup = |name: &str| match name {
                "LAMBDA_TASK_ROOT" => Some(root.clone()),
                "_HANDLER" => Some(handler.to_owned()),
                _ => None,
            };
            find_component_in(&lookup).map_err(|error| error.to_string())
        };
        let none = find("bootstrap").unwrap_err();
        assert!(none.starts_with("0 component(s) in `"), "{none}");
        std::fs::write(folder.path().join("credit.wasm"), "").unwrap();
        std::fs::write(folder.path().join("hyaline"), "").unwrap();
        assert_eq!(find("bootstrap"), Ok(folder.path().join("credit.wasm")));
        std::fs::write(folder.path().join("wine.wasm"), "").unwrap();
        assert_eq!(find("wine"), Ok(folder.path().join("wine.wasm")));
        assert_eq!(find("credit.wasm"), Ok(folder.path().join("credit.wasm")));
        let several = find("bootstrap").unwrap_err();
        assert!(
            several.contains("and the handler `bootstrap` is none of them"),
            "{several}"
        );
    }
}
