//! Matrix products. Every element adds its terms in one order, so the answer for a row does not depend on the rows around
//! it.

use borsh::{BorshDeserialize, BorshSerialize};

use super::broadcast::{broadcast_shape, expand};
use super::layout::permute;
use crate::graph::operator::{
    Arity, Flow, Operands, Operator, element_count, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// NumPy's matrix product, batch axes included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MatMul;

/// A type that matrices are made of.
trait Scalar: Copy + Default + std::ops::Mul<Output = Self> + std::ops::Add<Output = Self> {
    /// `self + a · b`, rounded once.
    fn fused(self, a: Self, b: Self) -> Self;

    /// `out[m, n] += a[m, k] · b[k, n]` for wide matrices, terms in the order of k, each rounded twice.
    fn multiply(a: &[Self], b: &[Self], (k, n): (usize, usize), out: &mut [Self]) {
        for (a, out) in a.chunks_exact(k).zip(out.chunks_exact_mut(n)) {
            for (&scale, row) in a.iter().zip(b.chunks_exact(n)) {
                out.iter_mut()
                    .zip(row)
                    .for_each(|(out, &b)| *out = *out + scale * b);
            }
        }
    }
}

impl Scalar for f32 {
    fn fused(self, a: f32, b: f32) -> f32 {
        (f64::from(a) * f64::from(b) + f64::from(self)) as f32
    }

    fn multiply(a: &[f32], b: &[f32], (k, n): (usize, usize), out: &mut [f32]) {
        hyaline_kernels::multiply(a, b, (out.len() / n, k, n), out);
    }
}

impl Scalar for f64 {
    fn fused(self, a: f64, b: f64) -> f64 {
        a * b + self
    }
}

/// Products of at most this many columns round once per term, in order, as ONNX Runtime's kernels do with fused
/// instructions: the distances of k-means cancel so much that another rounding shows in the fifth digit. Wider ones are
/// the layers of networks, where speed counts and rounding does not.
const FUSED_COLUMNS: usize = 16;

/// `out[m, n] += a[m, k] · b[k, n]`.
fn accumulate<T: Scalar>(a: &[T], b: &[T], (k, n): (usize, usize), out: &mut [T]) {
    if n == 0 || k == 0 {
        return;
    }
    if n > FUSED_COLUMNS {
        return T::multiply(a, b, (k, n), out);
    }
    for (a, out) in a.chunks_exact(k).zip(out.chunks_exact_mut(n)) {
        for (&scale, row) in a.iter().zip(b.chunks_exact(n)) {
            out.iter_mut()
                .zip(row)
                .for_each(|(out, &b)| *out = out.fused(scale, b));
        }
    }
}

impl Operator for MatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        same_numbers(operands)
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (a, b) = (operand(operands, 0)?, operand(operands, 1)?);
        let (shape, data) = match (a.data(), b.data()) {
            (Data::F32(x), Data::F32(y)) => {
                product((a.shape(), x), (b.shape(), y)).map(|(s, v)| (s, Data::F32(v)))?
            }
            (Data::F64(x), Data::F64(y)) => {
                product((a.shape(), x), (b.shape(), y)).map(|(s, v)| (s, Data::F64(v)))?
            }
            (Data::I64(x), Data::I64(y)) => {
                let wrapping = |v: &[i64]| v.iter().map(|&x| Wrapping(x)).collect::<Vec<_>>();
                let (shape, values) =
                    product((a.shape(), &wrapping(x)), (b.shape(), &wrapping(y)))?;
                (shape, Data::I64(values.into_iter().map(|x| x.0).collect()))
            }
            (x, y) => {
                return Err(format!(
                    "a product of {:?} and {:?}",
                    x.element_type(),
                    y.element_type()
                ));
            }
        };
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Product
    }
}

/// Integers that wrap around, as everywhere in these operators.
#[derive(Clone, Copy, Default)]
struct Wrapping(i64);

impl std::ops::Add for Wrapping {
    type Output = Wrapping;
    fn add(self, other: Wrapping) -> Wrapping {
        Wrapping(self.0.wrapping_add(other.0))
    }
}

impl std::ops::Mul for Wrapping {
    type Output = Wrapping;
    fn mul(self, other: Wrapping) -> Wrapping {
        Wrapping(self.0.wrapping_mul(other.0))
    }
}

impl Scalar for Wrapping {
    fn fused(self, a: Wrapping, b: Wrapping) -> Wrapping {
        a * b + self
    }
}

fn same_numbers(operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
    let (a, b) = (operand_type(operands, 0)?, operand_type(operands, 1)?);
    match a {
        ElementType::F32 | ElementType::F64 | ElementType::I64 if a == b => Ok(vec![a]),
        _ => Err(format!("a product of {a:?} and {b:?}")),
    }
}

type View<'a, T> = (&'a [usize], &'a [T]);

fn product<T: Scalar>(a: View<'_, T>, b: View<'_, T>) -> Result<(Vec<usize>, Vec<T>), String> {
    let mismatch = || format!("a matrix product of shapes {:?} and {:?}", a.0, b.0);
    let mut a_shape = a.0.to_vec();
    let mut b_shape = b.0.to_vec();
    if a_shape.is_empty() || b_shape.is_empty() {
        return Err(mismatch());
    }
    if a.0.len() == 1 {
        a_shape.insert(0, 1);
    }
    if b.0.len() == 1 {
        b_shape.push(1);
    }
    let (a_batch, a_matrix) = a_shape.split_at(a_shape.len() - 2);
    let (b_batch, b_matrix) = b_shape.split_at(b_shape.len() - 2);
    let (m, k, n) = (a_matrix[0], a_matrix[1], b_matrix[1]);
    if b_matrix[0] != k {
        return Err(mismatch());
    }
    let batch = broadcast_shape(a_batch, b_batch)?;
    let full = |matrix: &[usize]| batch.iter().chain(matrix).copied().collect::<Vec<_>>();
    let mut shape = full(&[m, n]);
    let mut out = vec![T::default(); element_count(&shape)?];
    if b_batch.iter().all(|&extent| extent == 1) && a_batch == batch {
        accumulate(a.1, b.1, (k, n), &mut out);
    } else {
        let a = expand(&a_shape, a.1, &full(&[m, k]))?;
        let b = expand(&b_shape, b.1, &full(&[k, n]))?;
        for block in 0..batch.iter().product() {
            let (a, b) = (
                &a[block * m * k..(block + 1) * m * k],
                &b[block * k * n..(block + 1) * k * n],
            );
            accumulate(a, b, (k, n), &mut out[block * m * n..(block + 1) * m * n]);
        }
    }
    if b.0.len() == 1 {
        shape.pop();
    }
    if a.0.len() == 1 {
        shape.remove(shape.len() - if b.0.len() == 1 { 1 } else { 2 });
    }
    Ok((shape, out))
}

/// `alpha · A · B + beta · C` of matrices, A and B transposed where asked; C broadcasts and may be absent.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub struct Gemm {
    /// Scale of the product.
    pub alpha: f32,
    /// Scale of C.
    pub beta: f32,
    /// Whether A is given transposed.
    pub transpose_a: bool,
    /// Whether B is given transposed.
    pub transpose_b: bool,
}

impl Operator for Gemm {
    fn name(&self) -> &'static str {
        "Gemm"
    }

    fn arity(&self) -> Arity {
        Arity::between(2, 3)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        let types = same_numbers(operands)?;
        match operands.get(2).copied().flatten() {
            Some(other) if other != types[0] => Err(format!("{other:?} added to {:?}", types[0])),
            _ if types[0] == ElementType::I64 => Err("Gemm of integers".to_owned()),
            _ => Ok(types),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (mut a, mut b) = (
            std::borrow::Cow::Borrowed(operand(operands, 0)?),
            std::borrow::Cow::Borrowed(operand(operands, 1)?),
        );
        if self.transpose_a {
            a = std::borrow::Cow::Owned(permute(&a, &[1, 0])?);
        }
        if self.transpose_b {
            b = std::borrow::Cow::Owned(permute(&b, &[1, 0])?);
        }
        let (&[m, k], &[found, n]) = (a.shape(), b.shape()) else {
            return Err(format!(
                "Gemm of shapes {:?} and {:?}",
                a.shape(),
                b.shape()
            ));
        };
        if found != k {
            return Err(format!(
                "Gemm of shapes {:?} and {:?}",
                a.shape(),
                b.shape()
            ));
        }
        let c = operands.get(2).copied().flatten();
        let zero = [0];
        let c_shape = c.map_or(&zero[..0], Tensor::shape);
        let (alpha, beta) = (self.alpha, self.beta);
        let data = match (a.data(), b.data(), c.map(Tensor::data)) {
            (Data::F32(a), Data::F32(b), None) => Data::F32(gemm(alpha, a, b, (m, k, n), None)?),
            (Data::F32(a), Data::F32(b), Some(Data::F32(c))) => {
                Data::F32(gemm(alpha, a, b, (m, k, n), Some((beta, c_shape, c)))?)
            }
            (Data::F64(a), Data::F64(b), None) => {
                Data::F64(gemm(f64::from(alpha), a, b, (m, k, n), None)?)
            }
            (Data::F64(a), Data::F64(b), Some(Data::F64(c))) => Data::F64(gemm(
                f64::from(alpha),
                a,
                b,
                (m, k, n),
                Some((f64::from(beta), c_shape, c)),
            )?),
            (a, b, _) => {
                return Err(format!(
                    "Gemm of {:?} and {:?}",
                    a.element_type(),
                    b.element_type()
                ));
            }
        };
        Ok(vec![tensor(vec![m, n], data)?])
    }

    fn flow(&self) -> Flow {
        if self.transpose_a || self.transpose_b {
            Flow::Rows
        } else {
            Flow::Product
        }
    }
}

/// The addend of a [`gemm`]: scale, shape, elements.
type Addend<'a, T> = (T, &'a [usize], &'a [T]);

fn gemm<T: Scalar + PartialEq>(
    alpha: T,
    a: &[T],
    b: &[T],
    (m, k, n): (usize, usize, usize),
    c: Option<Addend<'_, T>>,
) -> Result<Vec<T>, String> {
    let mut out = vec![T::default(); element_count(&[m, n])?];
    accumulate(a, b, (k, n), &mut out);
    out.iter_mut().for_each(|out| *out = alpha * *out);
    if let Some((beta, shape, c)) = c {
        let c = expand(shape, c, &[m, n])?;
        out.iter_mut()
            .zip(c.iter())
            .for_each(|(out, &c)| *out = *out + beta * c);
    }
    Ok(out)
}
