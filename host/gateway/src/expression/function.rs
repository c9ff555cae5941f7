//! The functions of JMESPath.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Number;

use crate::expression::EvaluationError;
use crate::expression::compile::{Argument, Node};
use crate::expression::evaluate::Evaluation;
use crate::expression::item::{Elements, Item};
use crate::expression::number::{Exact, compare};

macro_rules! functions {
    ($($variant:ident $name:literal $least:literal $most:expr, $expression:expr;)*) => {
        /// A function. What it does stands in the specification under its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function {
            $($variant,)*
        }

        impl Function {
            /// The function of a name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Function::$variant),)*
                    _ => None,
                }
            }

            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Function::$variant => $name,)*
                }
            }

            /// How many arguments it takes, at least and at most.
            pub(super) fn arguments(self) -> (usize, Option<usize>) {
                match self {
                    $(Function::$variant => ($least, $most),)*
                }
            }

            /// Whether an argument is an expression that it evaluates itself.
            pub(super) fn takes_expression(self, argument: usize) -> bool {
                let place: Option<usize> = match self {
                    $(Function::$variant => $expression,)*
                };
                place == Some(argument)
            }
        }
    };
}

functions! {
    Abs "abs" 1 Some(1), None;
    Avg "avg" 1 Some(1), None;
    Ceil "ceil" 1 Some(1), None;
    Contains "contains" 2 Some(2), None;
    EndsWith "ends_with" 2 Some(2), None;
    Floor "floor" 1 Some(1), None;
    Join "join" 2 Some(2), None;
    Keys "keys" 1 Some(1), None;
    Length "length" 1 Some(1), None;
    Map "map" 2 Some(2), Some(0);
    Max "max" 1 Some(1), None;
    MaxBy "max_by" 2 Some(2), Some(1);
    Merge "merge" 0 None, None;
    Min "min" 1 Some(1), None;
    MinBy "min_by" 2 Some(2), Some(1);
    NotNull "not_null" 1 None, None;
    Reverse "reverse" 1 Some(1), None;
    Sort "sort" 1 Some(1), None;
    SortBy "sort_by" 2 Some(2), Some(1);
    StartsWith "starts_with" 2 Some(2), None;
    Sum "sum" 1 Some(1), None;
    ToArray "to_array" 1 Some(1), None;
    ToNumber "to_number" 1 Some(1), None;
    ToString "to_string" 1 Some(1), None;
    Type "type" 1 Some(1), None;
    Values "values" 1 Some(1), None;
}

/// The longest text that to_string() makes, in bytes.
const LONGEST_TEXT: usize = 16 * 1024 * 1024;

/// What numbers and texts are sorted and compared by.
enum Keys {
    Numbers(Vec<Number>),
    Texts(Vec<Rc<str>>),
}

impl Keys {
    fn compare(&self, one: usize, other: usize) -> Ordering {
        match self {
            Keys::Numbers(numbers) => compare(&numbers[one], &numbers[other]),
            // UTF-8 sorts by code points, as the specification asks.
            Keys::Texts(texts) => texts[one].cmp(&texts[other]),
        }
    }
}

impl Evaluation {
    pub(super) fn call<'a>(
        &mut self,
        function: Function,
        arguments: &'a [Argument],
        on: &Item<'a>,
    ) -> Result<Item<'a>, EvaluationError> {
        let mut items = Vec::with_capacity(arguments.len());
        let mut expression = None;
        for argument in arguments {
            match argument {
                Argument::Value(node) => items.push(self.evaluate(node, on)?),
                Argument::Expression(node) => expression = Some(node),
            }
        }
        match (expression, &items[..]) {
            (Some(node), [item]) => self.call_with_expression(function, node, item),
            _ => self.call_with_values(function, &items),
        }
    }

    fn call_with_expression<'a>(
        &mut self,
        function: Function,
        node: &'a Node,
        item: &Item<'a>,
    ) -> Result<Item<'a>, EvaluationError> {
        let elements = elements(function, item)?;
        let mut made = Vec::with_capacity(elements.len());
        for element in elements.iter() {
            made.push(self.evaluate(node, &element)?);
        }
        if function == Function::Map {
            return Ok(Item::array(made));
        }
        let keys = self.keys(function, Elements::Items(&made))?;
        match function {
            Function::SortBy => self.sorted(&keys, elements),
            Function::MaxBy => Ok(best(&keys, elements, Ordering::Greater)),
            _ => Ok(best(&keys, elements, Ordering::Less)),
        }
    }

    fn call_with_values<'a>(
        &mut self,
        function: Function,
        items: &[Item<'a>],
    ) -> Result<Item<'a>, EvaluationError> {
        let first = items.first().unwrap_or(&Item::Null);
        let second = items.get(1).unwrap_or(&Item::Null);
        Ok(match function {
            Function::Abs => match number(function, first)? {
                Exact::Integer(integer) => made(function, Exact::Integer(integer.abs()))?,
                Exact::Float(float) => made(function, Exact::Float(float.abs()))?,
            },
            Function::Ceil | Function::Floor => match number(function, first)? {
                Exact::Integer(_) => first.clone(),
                Exact::Float(float) => {
                    let whole = if function == Function::Ceil {
                        float.ceil()
                    } else {
                        float.floor()
                    };
                    // Beyond 64 bits a whole number stays a float, which says the same.
                    let integer = Exact::Integer(whole as i128);
                    let fits = whole.abs() < 9.2e18;
                    made(function, if fits { integer } else { Exact::Float(whole) })?
                }
            },
            Function::Sum | Function::Avg => {
                let elements = elements(function, first)?;
                self.spend(elements.len())?;
                if elements.len() == 0 && function == Function::Avg {
                    return Ok(Item::Null);
                }
                let total = total(function, elements)?;
                if function == Function::Sum {
                    made(function, total)?
                } else {
                    made(
                        function,
                        Exact::Float(total.float() / elements.len() as f64),
                    )?
                }
            }
            Function::Contains => {
                if let Some(text) = first.as_text() {
                    self.spend(text.len() / 16)?;
                    Item::Boolean(second.as_text().is_some_and(|part| text.contains(part)))
                } else if let Some(elements) = first.elements() {
                    let mut found = false;
                    for element in elements.iter() {
                        found = self.equal(&element, second)?;
                        if found {
                            break;
                        }
                    }
                    Item::Boolean(found)
                } else {
                    return Err(wrong(function, "a string or an array", first));
                }
            }
            Function::StartsWith => {
                let (text, part) = (text(function, first)?, text(function, second)?);
                Item::Boolean(text.starts_with(part))
            }
            Function::EndsWith => {
                let (text, part) = (text(function, first)?, text(function, second)?);
                Item::Boolean(text.ends_with(part))
            }
            Function::Join => {
                let glue = text(function, first)?;
                let elements = elements(function, second)?;
                let mut joined = String::new();
                for (index, element) in elements.iter().enumerate() {
                    let part = element
                        .as_text()
                        .ok_or_else(|| wrong(function, "an array of strings", &element))?;
                    let glue = if index == 0 { "" } else { glue };
                    self.spend(1 + (glue.len() + part.len()) / 16)?;
                    joined.push_str(glue);
                    joined.push_str(part);
                }
                Item::text(joined)
            }
            Function::Keys | Function::Values => {
                self.spend(first.size().unwrap_or(0))?;
                let members = members(function, first)?.into_iter();
                Item::array(if function == Function::Keys {
                    members.map(|(name, _)| Item::text(name)).collect()
                } else {
                    members.map(|(_, item)| item).collect()
                })
            }
            Function::Length => {
                let length = if let Some(text) = first.as_text() {
                    self.spend(text.len() / 16)?;
                    text.chars().count()
                } else if let Some(elements) = first.elements() {
                    elements.len()
                } else if let Some(size) = first.size() {
                    size
                } else {
                    return Err(wrong(function, "a string, an array or an object", first));
                };
                Item::Number(length.into())
            }
            Function::Merge => {
                let mut merged = BTreeMap::new();
                for item in items {
                    self.spend(item.size().unwrap_or(0))?;
                    merged.extend(members(function, item)?);
                }
                Item::Object(Rc::new(merged))
            }
            Function::NotNull => items
                .iter()
                .find(|item| !item.is_null())
                .cloned()
                .unwrap_or(Item::Null),
            Function::Reverse => {
                if let Some(text) = first.as_text() {
                    self.spend(text.len() / 4)?;
                    Item::text(text.chars().rev().collect::<String>())
                } else if let Some(elements) = first.elements() {
                    self.spend(elements.len())?;
                    Item::array(elements.iter().rev().collect())
                } else {
                    return Err(wrong(function, "a string or an array", first));
                }
            }
            Function::Sort => {
                let elements = elements(function, first)?;
                let keys = self.keys(function, elements)?;
                self.sorted(&keys, elements)?
            }
            Function::Max | Function::Min => {
                let elements = elements(function, first)?;
                let keys = self.keys(function, elements)?;
                let sought = if function == Function::Max {
                    Ordering::Greater
                } else {
                    Ordering::Less
                };
                best(&keys, elements, sought)
            }
            Function::ToArray => match first.elements() {
                Some(_) => first.clone(),
                None => Item::array(vec![first.clone()]),
            },
            Function::ToNumber => {
                if first.number().is_some() {
                    first.clone()
                } else {
                    let parsed = first
                        .as_text()
                        .and_then(|text| serde_json::from_str(text).ok());
                    parsed.map_or(Item::Null, Item::Number)
                }
            }
            Function::ToString => {
                if first.as_text().is_some() {
                    first.clone()
                } else {
                    let json = first.write(LONGEST_TEXT)?;
                    self.spend(json.len() / 16)?;
                    Item::text(String::from_utf8(json).expect("JSON text is UTF-8"))
                }
            }
            Function::Type => Item::text(first.kind()),
            Function::Map | Function::MaxBy | Function::MinBy | Function::SortBy => {
                unreachable!("compilation gives these an expression and a value")
            }
        })
    }

    /// The numbers or texts of an array that has only one kind of them.
    fn keys(
        &mut self,
        function: Function,
        elements: Elements<'_, '_>,
    ) -> Result<Keys, EvaluationError> {
        const EXPECTED: &str = "only numbers or only strings";
        self.spend(elements.len())?;
        if elements
            .get(0)
            .is_some_and(|first| first.as_text().is_some())
        {
            let mut texts = Vec::with_capacity(elements.len());
            for element in elements.iter() {
                let text = element
                    .as_text()
                    .ok_or_else(|| wrong(function, EXPECTED, &element))?;
                self.spend(text.len() / 16)?;
                texts.push(text.into());
            }
            return Ok(Keys::Texts(texts));
        }
        let mut numbers = Vec::with_capacity(elements.len());
        for element in elements.iter() {
            let number = element
                .number()
                .ok_or_else(|| wrong(function, EXPECTED, &element))?;
            numbers.push(number.clone());
        }
        Ok(Keys::Numbers(numbers))
    }

    fn sorted<'a>(
        &mut self,
        keys: &Keys,
        elements: Elements<'_, 'a>,
    ) -> Result<Item<'a>, EvaluationError> {
        let levels = usize::BITS - elements.len().leading_zeros();
        self.spend(elements.len().saturating_mul(levels as usize))?;
        let mut order: Vec<usize> = (0..elements.len()).collect();
        order.sort_by(|one, other| keys.compare(*one, *other));
        let items = order.into_iter().filter_map(|index| elements.get(index));
        Ok(Item::array(items.collect()))
    }
}

/// The first of the largest or smallest elements; null when there is none.
fn best<'a>(keys: &Keys, elements: Elements<'_, 'a>, sought: Ordering) -> Item<'a> {
    let best = (0..elements.len()).reduce(|best, index| {
        if keys.compare(index, best) == sought {
            index
        } else {
            best
        }
    });
    best.and_then(|index| elements.get(index))
        .unwrap_or(Item::Null)
}

fn total(function: Function, elements: Elements<'_, '_>) -> Result<Exact, EvaluationError> {
    let mut integers = 0i128;
    let mut floats = 0.0;
    let mut exact = true;
    for element in elements.iter() {
        let number = element
            .number()
            .ok_or_else(|| wrong(function, "an array of numbers", &element))?;
        match Exact::of(number) {
            // Fewer than 2⁶³ integers of 64 bits cannot leave 128 bits.
            Exact::Integer(integer) => integers += integer,
            Exact::Float(float) => {
                floats += float;
                exact = false;
            }
        }
    }
    Ok(if exact {
        Exact::Integer(integers)
    } else {
        Exact::Float(integers as f64 + floats)
    })
}

fn made<'a>(function: Function, number: Exact) -> Result<Item<'a>, EvaluationError> {
    number
        .number()
        .map(Item::Number)
        .ok_or(EvaluationError::Range {
            function: function.name(),
        })
}

fn wrong(function: Function, expected: &'static str, found: &Item<'_>) -> EvaluationError {
    EvaluationError::Type {
        function: function.name(),
        expected,
        found: found.kind(),
    }
}

fn number(function: Function, item: &Item<'_>) -> Result<Exact, EvaluationError> {
    let number = item
        .number()
        .ok_or_else(|| wrong(function, "a number", item))?;
    Ok(Exact::of(number))
}

fn text<'b>(function: Function, item: &'b Item<'_>) -> Result<&'b str, EvaluationError> {
    item.as_text()
        .ok_or_else(|| wrong(function, "a string", item))
}

fn elements<'b, 'a>(
    function: Function,
    item: &'b Item<'a>,
) -> Result<Elements<'b, 'a>, EvaluationError> {
    item.elements()
        .ok_or_else(|| wrong(function, "an array", item))
}

fn members<'a>(
    function: Function,
    item: &Item<'a>,
) -> Result<Vec<(&'a str, Item<'a>)>, EvaluationError> {
    item.members()
        .ok_or_else(|| wrong(function, "an object", item))
}
