//! The gate of explanations: a JMESPath expression over the model's output for one record.

use jmespath::{Expression, JmespathError, Rcvar, Variable};

use super::error::ServiceError;
use super::output::Output;

/// Characters of an expression, as the service model bounds them.
const LONGEST: usize = 64;

/// A compiled gate.
pub(super) struct Gate(Expression<'static>);

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Gate").field(&self.0.as_str()).finish()
    }
}

impl Gate {
    /// Compiles the header's value.
    pub(super) fn new(expression: &[u8]) -> Result<Self, ServiceError> {
        let refused = |text: String| ServiceError::validation(format!("EnableExplanations {text}"));
        let expression = std::str::from_utf8(expression)
            .map_err(|_| refused("is not UTF-8; send a JMESPath expression".into()))?;
        let length = expression.chars().count();
        if !(1..=LONGEST).contains(&length) {
            return Err(refused(format!(
                "has {length} characters; it may have 1 to {LONGEST}"
            )));
        }
        match jmespath::compile(expression) {
            Ok(expression) => Ok(Gate(expression)),
            Err(error) => Err(refused(format!(
                "`{expression}` is no JMESPath expression: {}",
                place(&error)
            ))),
        }
    }

    /// The records for which the gate is open, by position.
    ///
    /// # Errors
    /// When the expression fails, or gives something else than true or false: then it does not fit the model's output, and
    /// taking that for false would leave decisions unexplained without a word.
    pub(super) fn open(&self, output: &Output) -> Result<Vec<usize>, ServiceError> {
        let mut open = Vec::new();
        for record in 0..output.records() {
            let result = self.evaluate(&output.gate_record(record))?;
            match *result {
                Variable::Bool(true) => open.push(record),
                Variable::Bool(false) => {}
                ref other => {
                    return Err(ServiceError::validation(format!(
                        "EnableExplanations `{}` gives {} for record {record}, whose output is {}; expected true or false",
                        self.0.as_str(),
                        other,
                        output.gate_record(record)
                    )));
                }
            }
        }
        Ok(open)
    }

    fn evaluate(&self, record: &str) -> Result<Rcvar, ServiceError> {
        let variable = Variable::from_json(record)
            .map_err(|error| ServiceError::internal(format!("the model's output: {error}")))?;
        self.0.search(variable).map_err(|error| {
            ServiceError::validation(format!(
                "EnableExplanations `{}` fails on the output {record}: {}",
                self.0.as_str(),
                place(&error)
            ))
        })
    }
}

/// The reason in one line; the crate's own text draws a picture of several.
fn place(error: &JmespathError) -> String {
    format!("{} (at character {})", error.reason, error.column + 1)
}
