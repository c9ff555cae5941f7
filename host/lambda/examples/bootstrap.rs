//! The smallest bootstrap of a Lambda function: one component, named on the command line or found beside the program, and
//! nothing else of Hyaline.

use std::path::PathBuf;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let function = match std::env::args_os().nth(1) {
        Some(path) => Ok(PathBuf::from(path)),
        None => hyaline_lambda::find_component().map_err(anyhow::Error::from),
    };
    let function = function.and_then(|path| hyaline_lambda::load(&path, None));
    hyaline_lambda::run(function).await
}
