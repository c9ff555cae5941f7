//! `LabelEncoder` and `CategoryMapper`: values looked up by keys.

use borsh::{BorshDeserialize, BorshSerialize};

use super::read_checked;
use crate::graph::operator::{Flow, Operands, Operator, map_data, operand, operand_type, tensor};
use crate::{Data, ElementType, Symbol, Tensor, sorted_positions};

/// Replaces each key by its value, and everything else by a default. As keys, NaN equals NaN and -0 equals 0. O(log keys)
/// per element.
#[derive(Clone, Debug, PartialEq, BorshSerialize)]
pub struct LabelEncoder {
    key_type: ElementType,
    /// The keys as [`codes`], ascending.
    keys: Vec<u64>,
    /// One value per key, then the default.
    values: Tensor,
}

impl LabelEncoder {
    /// `values` has one element per key and one more, the default. Of equal keys the first counts.
    ///
    /// # Errors
    /// When the lengths contradict each other or a key is [`Symbol::UNKNOWN`].
    pub fn new(keys: &Data, values: Data) -> Result<LabelEncoder, String> {
        if values.len() != keys.len() + 1 {
            return Err(format!(
                "{} keys and {} values, expected as many of both",
                keys.len(),
                values.len().saturating_sub(1)
            ));
        }
        if let Data::Symbol(symbols) = keys
            && symbols.contains(&Symbol::UNKNOWN)
        {
            return Err("a key is the unknown text".to_owned());
        }
        let codes: Vec<u64> = codes(keys).collect();
        let mut order = sorted_positions(codes.len(), &|a, b| codes[a].cmp(&codes[b]));
        order.dedup_by_key(|position| codes[*position]);
        let default = keys.len();
        let positions: Vec<usize> = order.iter().copied().chain([default]).collect();
        let values = pick(&values, &positions)?;
        let encoder = LabelEncoder {
            key_type: keys.element_type(),
            keys: order.into_iter().map(|position| codes[position]).collect(),
            values: tensor(vec![positions.len()], values)?,
        };
        Ok(encoder)
    }

    fn read(key_type: ElementType, keys: Vec<u64>, values: Tensor) -> Result<LabelEncoder, String> {
        if values.shape() != [keys.len() + 1] || !keys.is_sorted_by(|a, b| a < b) {
            return Err(format!(
                "{} keys that do not ascend or do not fit the values",
                keys.len()
            ));
        }
        Ok(LabelEncoder {
            key_type,
            keys,
            values,
        })
    }

    /// The texts among the keys, in ascending order.
    pub fn known_symbols(&self) -> impl Iterator<Item = Symbol> {
        let symbols = if self.key_type == ElementType::Symbol {
            self.keys.as_slice()
        } else {
            &[]
        };
        symbols.iter().map(|&code| Symbol(code as u32))
    }

    /// The values in order of their keys, then the default.
    pub fn values(&self) -> &Data {
        self.values.data()
    }

    fn positions(&self, x: &Data) -> Vec<usize> {
        codes(x)
            .map(|code| self.keys.binary_search(&code).unwrap_or(self.keys.len()))
            .collect()
    }
}

impl Operator for LabelEncoder {
    fn name(&self) -> &'static str {
        "LabelEncoder"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match operand_type(operands, 0)? {
            found if found == self.key_type => Ok(vec![self.values.element_type()]),
            other => Err(format!("{other:?}, the keys are {:?}", self.key_type)),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        self.element_types(&[Some(x.element_type())])?;
        Ok(vec![tensor(
            x.shape().to_vec(),
            pick(self.values.data(), &self.positions(x.data()))?,
        )?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

read_checked!(LabelEncoder, reader => LabelEncoder::read(
    ElementType::deserialize_reader(reader)?,
    BorshDeserialize::deserialize_reader(reader)?,
    Tensor::deserialize_reader(reader)?,
));

/// The elements as numbers that are equal exactly when the elements are.
fn codes(data: &Data) -> Box<dyn Iterator<Item = u64> + '_> {
    match data {
        Data::F32(values) => Box::new(values.iter().map(|&x| float_code(f64::from(x)))),
        Data::F64(values) => Box::new(values.iter().map(|&x| float_code(x))),
        Data::I64(values) => Box::new(values.iter().map(|&x| x as u64)),
        Data::Bool(values) => Box::new(values.iter().map(|&x| u64::from(x))),
        Data::Symbol(values) => Box::new(values.iter().map(|&x| u64::from(x.0))),
        // No key is free text.
        Data::Text(values) => Box::new(values.iter().map(|_| u64::from(Symbol::UNKNOWN.0))),
    }
}

fn float_code(x: f64) -> u64 {
    if x.is_nan() {
        f64::NAN.to_bits()
    } else {
        (x + 0.0).to_bits()
    }
}

/// The elements of `values` at `positions`, each smaller than `values.len()`.
fn pick(values: &Data, positions: &[usize]) -> Result<Data, String> {
    Ok(map_data!(values, values => positions.iter().map(|&position| values[position]).collect()))
}
