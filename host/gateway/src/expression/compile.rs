//! From the text of an expression to nodes that are checked and can be evaluated.

use jmespath::ast::{Ast, Comparator};
use serde_json::Value;

use crate::expression::function::Function;
use crate::expression::{ExpressionError, LONGEST};

/// Levels of nodes: evaluation recurses once per level.
const DEEPEST: usize = 64;

/// Characters that make the parser recurse: brackets, prefixes and wildcards.
const MOST_RECURSIONS: usize = 256;

/// A checked expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Identity,
    Field(Box<str>),
    Index(i64),
    Slice {
        start: Option<i64>,
        stop: Option<i64>,
        step: i64,
    },
    Literal(Value),
    /// The second node on what the first one gives.
    Then(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    And(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Compare(Comparison, Box<Node>, Box<Node>),
    /// The second node where the first one holds, otherwise null.
    If(Box<Node>, Box<Node>),
    /// The second node on each element of the first one.
    Project(Box<Node>, Box<Node>),
    Values(Box<Node>),
    Flatten(Box<Node>),
    List(Vec<Node>),
    Object(Vec<(Box<str>, Node)>),
    Call(Function, Vec<Argument>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What stands in the brackets of a call.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Value(Node),
    /// `&expression`, which the function evaluates itself.
    Expression(Node),
}

pub(super) fn compile(text: &str) -> Result<Node, ExpressionError> {
    let place = Place(text);
    if text.len() > LONGEST {
        return Err(place.error(
            0,
            format!("it has {} bytes; at most {LONGEST} are taken", text.len()),
        ));
    }
    bounded(place)?;
    // The crate cuts number tokens at 32 bits and panics on nothing in here; its syntax is the specification's.
    let ast = jmespath::parse(text).map_err(|error| {
        let rule = match error.reason {
            jmespath::ErrorReason::Parse(rule) => rule,
            jmespath::ErrorReason::Runtime(rule) => rule.to_string(),
        };
        place.error(error.offset, shortened(&rule))
    })?;
    node(ast, place, 0)
}

/// The text, to say where in it something is.
#[derive(Clone, Copy)]
struct Place<'a>(&'a str);

impl Place<'_> {
    fn error(self, offset: usize, rule: impl Into<String>) -> ExpressionError {
        let before: String = self.0.chars().take(offset).collect();
        let line = before.matches('\n').count();
        let column = before
            .rsplit('\n')
            .next()
            .map_or(0, |last| last.chars().count());
        ExpressionError {
            expression: shortened(self.0),
            rule: rule.into(),
            line: line + 1,
            column: column + 1,
        }
    }
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(200).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    short
}

/// Refuses what would make the parser recurse without end, before it does.
fn bounded(place: Place<'_>) -> Result<(), ExpressionError> {
    let mut recursions = 0;
    let mut quote = None;
    let mut escaped = false;
    for (offset, character) in place.0.chars().enumerate() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if character == '\\' => escaped = true,
            Some(open) if character == open => quote = None,
            Some(_) => {}
            None => match character {
                '"' | '\'' | '`' => quote = Some(character),
                '(' | '[' | '{' | '!' | '&' | '*' | '?' | '|' => {
                    recursions += 1;
                    if recursions > MOST_RECURSIONS {
                        let rule =
                            format!("it has more than {MOST_RECURSIONS} brackets and operators");
                        return Err(place.error(offset, rule));
                    }
                }
                _ => {}
            },
        }
    }
    Ok(())
}

fn node(ast: Ast, place: Place<'_>, depth: usize) -> Result<Node, ExpressionError> {
    if depth > DEEPEST {
        return Err(place.error(0, format!("it is nested deeper than {DEEPEST} levels")));
    }
    let down = |ast: Ast| node(ast, place, depth + 1);
    let boxed = |ast: Box<Ast>| down(*ast).map(Box::new);
    Ok(match ast {
        Ast::Identity { .. } => Node::Identity,
        Ast::Field { name, .. } => Node::Field(name.into()),
        Ast::Index { idx, .. } => Node::Index(idx.into()),
        Ast::Slice {
            start,
            stop,
            step,
            offset,
        } => {
            if step == 0 {
                return Err(place.error(offset, "a slice cannot have the step 0"));
            }
            Node::Slice {
                start: start.map(i64::from),
                stop: stop.map(i64::from),
                step: step.into(),
            }
        }
        Ast::Literal { value, offset } => Node::Literal(
            serde_json::to_value(&*value)
                .map_err(|error| place.error(offset, error.to_string()))?,
        ),
        Ast::Subexpr { lhs, rhs, .. } => Node::Then(boxed(lhs)?, boxed(rhs)?),
        Ast::Or { lhs, rhs, .. } => Node::Or(boxed(lhs)?, boxed(rhs)?),
        Ast::And { lhs, rhs, .. } => Node::And(boxed(lhs)?, boxed(rhs)?),
        Ast::Not { node, .. } => Node::Not(boxed(node)?),
        Ast::Comparison {
            comparator,
            lhs,
            rhs,
            ..
        } => {
            let comparison = match comparator {
                Comparator::Equal => Comparison::Equal,
                Comparator::NotEqual => Comparison::NotEqual,
                Comparator::LessThan => Comparison::Less,
                Comparator::LessThanEqual => Comparison::LessOrEqual,
                Comparator::GreaterThan => Comparison::Greater,
                Comparator::GreaterThanEqual => Comparison::GreaterOrEqual,
            };
            Node::Compare(comparison, boxed(lhs)?, boxed(rhs)?)
        }
        Ast::Condition {
            predicate, then, ..
        } => Node::If(boxed(predicate)?, boxed(then)?),
        Ast::Projection { lhs, rhs, .. } => Node::Project(boxed(lhs)?, boxed(rhs)?),
        Ast::ObjectValues { node, .. } => Node::Values(boxed(node)?),
        Ast::Flatten { node, .. } => Node::Flatten(boxed(node)?),
        Ast::MultiList { elements, .. } => {
            Node::List(elements.into_iter().map(down).collect::<Result<_, _>>()?)
        }
        Ast::MultiHash { elements, .. } => Node::Object(
            elements
                .into_iter()
                .map(|pair| Ok((pair.key.into(), down(pair.value)?)))
                .collect::<Result<_, _>>()?,
        ),
        Ast::Function { offset, name, args } => {
            let count = args.len();
            let function = Function::named(&name)
                .ok_or_else(|| place.error(offset, format!("there is no function {name}()")))?;
            let (least, most) = function.arguments();
            if count < least || most.is_some_and(|most| count > most) {
                let takes = match most {
                    Some(most) if most == least => least.to_string(),
                    Some(most) => format!("{least} to {most}"),
                    None => format!("{least} or more"),
                };
                let rule = format!("{name}() takes {takes} arguments, not {count}");
                return Err(place.error(offset, rule));
            }
            let mut arguments = Vec::with_capacity(count);
            for (index, ast) in args.into_iter().enumerate() {
                arguments.push(match (ast, function.takes_expression(index)) {
                    (Ast::Expref { ast, .. }, true) => Argument::Expression(down(*ast)?),
                    (Ast::Expref { offset, .. }, false) => {
                        let rule = format!("{name}() takes a value there, not an expression (&)");
                        return Err(place.error(offset, rule));
                    }
                    (_, true) => {
                        let rule = format!("{name}() takes an expression there, such as &name");
                        return Err(place.error(offset, rule));
                    }
                    (ast, false) => Argument::Value(down(ast)?),
                });
            }
            Node::Call(function, arguments)
        }
        Ast::Expref { offset, .. } => {
            return Err(place.error(
                offset,
                "an expression with & is an argument of a function only",
            ));
        }
    })
}
