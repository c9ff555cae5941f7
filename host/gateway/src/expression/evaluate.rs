//! Evaluation of an expression within a number of steps.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::expression::EvaluationError;
use crate::expression::compile::{Comparison, Node};
use crate::expression::item::{Elements, Item};
use crate::expression::number;

/// One evaluation. A step is about a node evaluated, an element touched, or sixteen bytes of text made.
pub(super) struct Evaluation {
    steps: u64,
    left: u64,
}

impl Evaluation {
    pub(super) fn new(steps: u64) -> Self {
        Evaluation { steps, left: steps }
    }

    /// Spends steps before they are taken.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), EvaluationError> {
        match self.left.checked_sub(steps as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(EvaluationError::Steps { steps: self.steps }),
        }
    }

    pub(super) fn evaluate<'a>(
        &mut self,
        node: &'a Node,
        on: &Item<'a>,
    ) -> Result<Item<'a>, EvaluationError> {
        self.spend(1)?;
        Ok(match node {
            Node::Identity => on.clone(),
            Node::Field(name) => on.member(name),
            Node::Index(index) => match on.elements() {
                Some(elements) => at(elements, *index),
                None => Item::Null,
            },
            Node::Slice { start, stop, step } => match on.elements() {
                Some(elements) => {
                    self.spend(elements.len())?;
                    Item::array(slice(elements, *start, *stop, *step))
                }
                None => Item::Null,
            },
            Node::Literal(value) => Item::Json(value),
            Node::Then(first, second) => {
                let on = self.evaluate(first, on)?;
                self.evaluate(second, &on)?
            }
            Node::Or(first, second) => {
                let item = self.evaluate(first, on)?;
                if item.holds() {
                    item
                } else {
                    self.evaluate(second, on)?
                }
            }
            Node::And(first, second) => {
                let item = self.evaluate(first, on)?;
                if item.holds() {
                    self.evaluate(second, on)?
                } else {
                    item
                }
            }
            Node::Not(node) => Item::Boolean(!self.evaluate(node, on)?.holds()),
            Node::Compare(comparison, one, other) => {
                let one = self.evaluate(one, on)?;
                let other = self.evaluate(other, on)?;
                self.compare(*comparison, &one, &other)?
            }
            Node::If(condition, then) => {
                if self.evaluate(condition, on)?.holds() {
                    self.evaluate(then, on)?
                } else {
                    Item::Null
                }
            }
            Node::Project(of, each) => {
                let of = self.evaluate(of, on)?;
                let Some(elements) = of.elements() else {
                    return Ok(Item::Null);
                };
                let mut items = Vec::new();
                for element in elements.iter() {
                    let item = self.evaluate(each, &element)?;
                    if !item.is_null() {
                        items.push(item);
                    }
                }
                Item::array(items)
            }
            Node::Values(of) => {
                let of = self.evaluate(of, on)?;
                self.spend(of.size().unwrap_or(0))?;
                match of.members() {
                    Some(members) => {
                        Item::array(members.into_iter().map(|(_, item)| item).collect())
                    }
                    None => Item::Null,
                }
            }
            Node::Flatten(of) => {
                let of = self.evaluate(of, on)?;
                let Some(elements) = of.elements() else {
                    return Ok(Item::Null);
                };
                let mut items = Vec::new();
                for element in elements.iter() {
                    match element.elements() {
                        Some(inner) => {
                            self.spend(inner.len() + 1)?;
                            items.extend(inner.iter());
                        }
                        None => {
                            self.spend(1)?;
                            items.push(element);
                        }
                    }
                }
                Item::array(items)
            }
            Node::List(_) | Node::Object(_) if on.is_null() => Item::Null,
            Node::List(nodes) => {
                let items = nodes.iter().map(|node| self.evaluate(node, on));
                Item::array(items.collect::<Result<_, _>>()?)
            }
            Node::Object(nodes) => {
                let mut members = BTreeMap::new();
                for (name, node) in nodes {
                    members.insert(&**name, self.evaluate(node, on)?);
                }
                Item::Object(Rc::new(members))
            }
            Node::Call(function, arguments) => self.call(*function, arguments, on)?,
        })
    }

    fn compare<'a>(
        &mut self,
        comparison: Comparison,
        one: &Item<'a>,
        other: &Item<'a>,
    ) -> Result<Item<'a>, EvaluationError> {
        let holds = match comparison {
            Comparison::Equal => self.equal(one, other)?,
            Comparison::NotEqual => !self.equal(one, other)?,
            _ => {
                // Only numbers have an order for these.
                let (Some(one), Some(other)) = (one.number(), other.number()) else {
                    return Ok(Item::Null);
                };
                let order = number::compare(one, other);
                match comparison {
                    Comparison::Less => order == Ordering::Less,
                    Comparison::LessOrEqual => order != Ordering::Greater,
                    Comparison::Greater => order == Ordering::Greater,
                    _ => order != Ordering::Less,
                }
            }
        };
        Ok(Item::Boolean(holds))
    }

    /// Whether two values are the same. Recurses as deep as they are nested, which the JSON parser (128 levels) and the
    /// depth of expressions bound.
    pub(super) fn equal(
        &mut self,
        one: &Item<'_>,
        other: &Item<'_>,
    ) -> Result<bool, EvaluationError> {
        self.spend(1)?;
        if let (Some(one), Some(other)) = (one.number(), other.number()) {
            return Ok(number::compare(one, other) == Ordering::Equal);
        }
        if let (Some(one), Some(other)) = (one.as_text(), other.as_text()) {
            self.spend(one.len().min(other.len()) / 16)?;
            return Ok(one == other);
        }
        if let (Some(one), Some(other)) = (one.elements(), other.elements()) {
            if one.len() != other.len() {
                return Ok(false);
            }
            for (one, other) in one.iter().zip(other.iter()) {
                if !self.equal(&one, &other)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        if let (Some(size), Some(others)) = (one.size(), other.size()) {
            if size != others {
                return Ok(false);
            }
            self.spend(size)?;
            for (name, item) in one.members().unwrap_or_default() {
                let counterpart = other.member(name);
                // A member that is null is not one that is missing.
                if counterpart.is_null() && !other.has(name) {
                    return Ok(false);
                }
                if !self.equal(&item, &counterpart)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        Ok((one.is_null() && other.is_null())
            || matches!((one.boolean(), other.boolean()), (Some(one), Some(other)) if one == other))
    }
}

fn at<'a>(elements: Elements<'_, 'a>, index: i64) -> Item<'a> {
    let length = elements.len() as i64;
    let place = if index < 0 { length + index } else { index };
    usize::try_from(place)
        .ok()
        .and_then(|place| elements.get(place))
        .unwrap_or(Item::Null)
}

/// The slice of the specification, which is Python's.
fn slice<'a>(
    elements: Elements<'_, 'a>,
    start: Option<i64>,
    stop: Option<i64>,
    step: i64,
) -> Vec<Item<'a>> {
    let length = elements.len() as i64;
    let (lowest, highest) = if step > 0 {
        (0, length)
    } else {
        (-1, length - 1)
    };
    let end = |index: i64| {
        let place = if index < 0 { index + length } else { index };
        place.clamp(lowest, highest)
    };
    let (from, to) = if step > 0 {
        (start.map_or(0, end), stop.map_or(length, end))
    } else {
        (start.map_or(length - 1, end), stop.map_or(-1, end))
    };
    let mut items = Vec::new();
    let mut place = from;
    while if step > 0 { place < to } else { place > to } {
        if let Some(item) = usize::try_from(place)
            .ok()
            .and_then(|place| elements.get(place))
        {
            items.push(item);
        }
        place += step;
    }
    items
}
