//! (c) Prediction and exact TreeSHAP per row in the sandbox, beside the libraries people use.

use anyhow::Result;

use crate::arguments::Arguments;
use crate::report::Report;

/// Measures every model of `benches/rivals/make_models.py`.
pub fn measure(_arguments: &Arguments, _report: &mut Report) -> Result<()> {
    Ok(())
}
