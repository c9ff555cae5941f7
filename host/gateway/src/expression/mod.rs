//! JMESPath (jmespath.org): expressions over JSON.
//!
//! The `jmespath` crate reads expressions. It does not evaluate them here: its interpreter has no bound (an expression of
//! 60 characters can ask for 2⁶⁰ elements), panics on some slices, and compares and adds numbers as floats. Expressions
//! come from callers (SageMaker's `Enable-Explanations`), so they are evaluated within a budget, and integers exactly.

mod compile;
mod evaluate;
mod function;
mod item;
mod number;

use std::fmt;

use serde_json::Value;

use compile::Node;
use evaluate::Evaluation;

/// The longest expression, in bytes.
const LONGEST: usize = 4096;

/// Steps of a mapping: enough to touch each value of a large body several times, and over in about a second.
const STEPS: u64 = 5_000_000;

/// Steps of a condition, which is asked once per record.
const CONDITION_STEPS: u64 = 100_000;

/// An expression that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` is not a JMESPath expression: {rule} (line {line}, column {column})")]
pub struct ExpressionError {
    expression: String,
    rule: String,
    line: usize,
    column: usize,
}

/// An expression that gave nothing for a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    /// A function was given a value of another type than it takes.
    #[error("{function}() takes {expected}, and was given {found}")]
    Type {
        /// The function.
        function: &'static str,
        /// What it takes.
        expected: &'static str,
        /// What it was given.
        found: &'static str,
    },
    /// It would take too long.
    #[error("evaluating the expression takes more than {steps} steps")]
    Steps {
        /// How many it may take.
        steps: u64,
    },
    /// It is no condition.
    #[error("the expression is no condition: it gave {found}, and not true, false or null")]
    NoCondition {
        /// What it gave.
        found: &'static str,
    },
    /// The result is too long.
    #[error("the result has more than {bytes} bytes")]
    Long {
        /// How many it may have.
        bytes: usize,
    },
    /// A number became infinite.
    #[error("{function}() gave a number beyond the range of JSON numbers here")]
    Range {
        /// The function.
        function: &'static str,
    },
}

/// A JMESPath expression, read and checked. It can be shared between threads.
///
/// All of the specification of 2020 is supported. Integers of 64 bits keep their value; they are compared and added
/// exactly, also with floats.
#[derive(Clone)]
pub struct Expression {
    text: Box<str>,
    root: Node,
}

impl Expression {
    /// Reads an expression. Unknown functions, wrong numbers of arguments and slices with step 0 are found here.
    ///
    /// # Errors
    /// [`ExpressionError`]: it is no expression, longer than 4,096 bytes, or nested too deeply (64 levels, 256 brackets
    /// and operators).
    pub fn new(text: &str) -> Result<Self, ExpressionError> {
        Ok(Expression {
            text: text.into(),
            root: compile::compile(text)?,
        })
    }

    /// The expression as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the expression makes of a value, as JSON text of at most `longest` bytes.
    ///
    /// # Errors
    /// [`EvaluationError`]: a wrong type, more than 5,000,000 steps (about a second), or a longer result.
    pub fn evaluate(&self, value: &Value, longest: usize) -> Result<Vec<u8>, EvaluationError> {
        let mut evaluation = Evaluation::new(STEPS);
        let item = evaluation.evaluate(&self.root, &item::Item::Json(value))?;
        item.write(longest)
    }

    /// Whether a condition holds for a value: `true` holds; `false` and `null` (what a comparison of something that is
    /// not there gives) do not.
    ///
    /// # Errors
    /// [`EvaluationError`]: another result, a wrong type, or more than 100,000 steps (about 10 ms).
    pub fn is_true(&self, value: &Value) -> Result<bool, EvaluationError> {
        let mut evaluation = Evaluation::new(CONDITION_STEPS);
        let item = evaluation.evaluate(&self.root, &item::Item::Json(value))?;
        match item.boolean() {
            Some(holds) => Ok(holds),
            None if item.is_null() => Ok(false),
            None => Err(EvaluationError::NoCondition { found: item.kind() }),
        }
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

impl std::str::FromStr for Expression {
    type Err = ExpressionError;
    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        Expression::new(text)
    }
}
