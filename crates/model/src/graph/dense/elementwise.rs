//! One element in, one element out, and pairs of them.

use borsh::{BorshDeserialize, BorshSerialize};

use super::broadcast::zip;
use crate::graph::operator::{
    Arity, Flow, Operands, Operator, numeric, operand, operand_type, tensor,
};
use crate::{Data, ElementType, Tensor};

/// A function of one number. The parameters are those of the ONNX operators.
#[derive(Clone, Copy, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
pub enum Unary {
    /// `|x|`
    Abs,
    /// `-x`
    Neg,
    /// -1, 0 or 1.
    Sign,
    /// `1 / x`
    Reciprocal,
    /// `√x`
    Sqrt,
    /// `eˣ`
    Exp,
    /// `ln x`
    Log,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent.
    Tan,
    /// Arc tangent.
    Atan,
    /// Hyperbolic tangent.
    Tanh,
    /// The Gauss error function.
    Erf,
    /// Rounded down.
    Floor,
    /// Rounded up.
    Ceil,
    /// Rounded to the nearest whole number, halves to the even one.
    Round,
    /// `max(x, 0)`
    Relu,
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid,
    /// `ln(1 + eˣ)`
    Softplus,
    /// `x / (1 + |x|)`
    Softsign,
    /// `x` above 0, `alpha · x` below.
    LeakyRelu(f32),
    /// `x` above 0, `alpha · (eˣ - 1)` below.
    Elu(f32),
    /// `gamma · x` above 0, `gamma · alpha · (eˣ - 1)` below; alpha, gamma.
    Selu(f32, f32),
    /// `min(1, max(0, alpha · x + beta))`; alpha, beta.
    HardSigmoid(f32, f32),
    /// `x` above alpha, else 0.
    ThresholdedRelu(f32),
    /// Whether the number is NaN; a boolean.
    IsNan,
    /// Whether the number is infinite; a boolean. Positive, negative infinity counts.
    IsInf(bool, bool),
    /// The other boolean.
    Not,
}

impl Operator for Unary {
    fn name(&self) -> &'static str {
        match self {
            Unary::Abs => "Abs",
            Unary::Neg => "Neg",
            Unary::Sign => "Sign",
            Unary::Reciprocal => "Reciprocal",
            Unary::Sqrt => "Sqrt",
            Unary::Exp => "Exp",
            Unary::Log => "Log",
            Unary::Sin => "Sin",
            Unary::Cos => "Cos",
            Unary::Tan => "Tan",
            Unary::Atan => "Atan",
            Unary::Tanh => "Tanh",
            Unary::Erf => "Erf",
            Unary::Floor => "Floor",
            Unary::Ceil => "Ceil",
            Unary::Round => "Round",
            Unary::Relu => "Relu",
            Unary::Sigmoid => "Sigmoid",
            Unary::Softplus => "Softplus",
            Unary::Softsign => "Softsign",
            Unary::LeakyRelu(_) => "LeakyRelu",
            Unary::Elu(_) => "Elu",
            Unary::Selu(..) => "Selu",
            Unary::HardSigmoid(..) => "HardSigmoid",
            Unary::ThresholdedRelu(_) => "ThresholdedRelu",
            Unary::IsNan => "IsNaN",
            Unary::IsInf(..) => "IsInf",
            Unary::Not => "Not",
        }
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        let found = operand_type(operands, 0)?;
        match (self, found) {
            (Unary::Not, ElementType::Bool) => Ok(vec![ElementType::Bool]),
            (Unary::IsNan | Unary::IsInf(..), ElementType::F32 | ElementType::F64) => {
                Ok(vec![ElementType::Bool])
            }
            (Unary::Abs | Unary::Neg | Unary::Sign | Unary::Relu, ElementType::I64) => {
                Ok(vec![found])
            }
            (Unary::Not | Unary::IsNan | Unary::IsInf(..), _) => Err(self.refuses(found)),
            (_, ElementType::F32 | ElementType::F64) => Ok(vec![found]),
            _ => Err(self.refuses(found)),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let x = operand(operands, 0)?;
        let data = match (self, x.data()) {
            (Unary::Not, Data::Bool(values)) => Data::Bool(values.iter().map(|x| !x).collect()),
            (Unary::IsNan, Data::F32(values)) => {
                Data::Bool(values.iter().map(|x| x.is_nan()).collect())
            }
            (Unary::IsNan, Data::F64(values)) => {
                Data::Bool(values.iter().map(|x| x.is_nan()).collect())
            }
            (&Unary::IsInf(up, down), Data::F32(values)) => Data::Bool(
                values
                    .iter()
                    .map(|&x| (up && x == f32::INFINITY) || (down && x == f32::NEG_INFINITY))
                    .collect(),
            ),
            (&Unary::IsInf(up, down), Data::F64(values)) => Data::Bool(
                values
                    .iter()
                    .map(|&x| (up && x == f64::INFINITY) || (down && x == f64::NEG_INFINITY))
                    .collect(),
            ),
            (Unary::Abs, Data::I64(values)) => {
                Data::I64(values.iter().map(|x| x.wrapping_abs()).collect())
            }
            (Unary::Neg, Data::I64(values)) => {
                Data::I64(values.iter().map(|x| x.wrapping_neg()).collect())
            }
            (Unary::Sign, Data::I64(values)) => {
                Data::I64(values.iter().map(|x| x.signum()).collect())
            }
            (Unary::Relu, Data::I64(values)) => {
                Data::I64(values.iter().map(|&x| x.max(0)).collect())
            }
            (Unary::Not | Unary::IsNan | Unary::IsInf(..), other) => {
                return Err(self.refuses(other.element_type()));
            }
            (_, Data::F32(values)) => Data::F32(values.iter().map(|&x| self.of_f32(x)).collect()),
            (_, Data::F64(values)) => Data::F64(values.iter().map(|&x| self.of_f64(x)).collect()),
            (_, other) => return Err(self.refuses(other.element_type())),
        };
        Ok(vec![tensor(x.shape().to_vec(), data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

/// The arithmetic of one float type; `$s` are its libm functions.
macro_rules! unary_of {
    ($name:ident, $t:ty, $exp:ident, $expm1:ident, $log:ident, $log1p:ident, $sqrt:ident, $sin:ident, $cos:ident, $tan:ident,
     $atan:ident, $tanh:ident, $erf:ident, $floor:ident, $ceil:ident, $rint:ident) => {
        fn $name(self, x: $t) -> $t {
            match self {
                Unary::Abs => x.abs(),
                Unary::Neg => -x,
                Unary::Sign if x > 0.0 => 1.0,
                Unary::Sign if x < 0.0 => -1.0,
                Unary::Sign => x * 0.0,
                Unary::Reciprocal => 1.0 / x,
                Unary::Sqrt => libm::$sqrt(x),
                Unary::Exp => libm::$exp(x),
                Unary::Log => libm::$log(x),
                Unary::Sin => libm::$sin(x),
                Unary::Cos => libm::$cos(x),
                Unary::Tan => libm::$tan(x),
                Unary::Atan => libm::$atan(x),
                Unary::Tanh => libm::$tanh(x),
                Unary::Erf => libm::$erf(x),
                Unary::Floor => libm::$floor(x),
                Unary::Ceil => libm::$ceil(x),
                Unary::Round => libm::$rint(x),
                Unary::Relu if x < 0.0 => 0.0,
                Unary::Relu => x,
                Unary::Sigmoid if x < 0.0 => {
                    let e = libm::$exp(x);
                    e / (1.0 + e)
                }
                Unary::Sigmoid => 1.0 / (1.0 + libm::$exp(-x)),
                Unary::Softplus if x > 0.0 => x + libm::$log1p(libm::$exp(-x)),
                Unary::Softplus => libm::$log1p(libm::$exp(x)),
                Unary::Softsign => x / (1.0 + x.abs()),
                Unary::LeakyRelu(alpha) if x < 0.0 => <$t>::from(alpha) * x,
                Unary::Elu(alpha) if x < 0.0 => <$t>::from(alpha) * libm::$expm1(x),
                Unary::Selu(alpha, gamma) if x <= 0.0 => {
                    <$t>::from(gamma) * <$t>::from(alpha) * libm::$expm1(x)
                }
                Unary::Selu(_, gamma) => <$t>::from(gamma) * x,
                Unary::HardSigmoid(alpha, beta) => {
                    let y = <$t>::from(alpha) * x + <$t>::from(beta);
                    if y < 0.0 {
                        0.0
                    } else if y > 1.0 {
                        1.0
                    } else {
                        y
                    }
                }
                Unary::ThresholdedRelu(alpha) if x <= <$t>::from(alpha) => 0.0,
                Unary::LeakyRelu(_) | Unary::Elu(_) | Unary::ThresholdedRelu(_) => x,
                // These have other result types and never come here.
                Unary::IsNan | Unary::IsInf(..) | Unary::Not => x,
            }
        }
    };
}

impl Unary {
    unary_of!(
        of_f32, f32, expf, expm1f, logf, log1pf, sqrtf, sinf, cosf, tanf, atanf, tanhf, erff,
        floorf, ceilf, rintf
    );
    unary_of!(
        of_f64, f64, exp, expm1, log, log1p, sqrt, sin, cos, tan, atan, tanh, erf, floor, ceil,
        rint
    );

    fn refuses(self, found: ElementType) -> String {
        format!("{} does not take {found:?}", self.name())
    }
}

/// Arithmetic of two numbers of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a · b`
    Mul,
    /// `a / b`; integers are truncated towards zero.
    Div,
    /// `aᵇ`, of the type of `a`; `b` may be of another numeric type.
    Pow,
    /// The remainder with the sign of `b`.
    Mod,
    /// The remainder with the sign of `a` (C's fmod).
    Fmod,
    /// The larger; NaN when one is NaN.
    Max,
    /// The smaller; NaN when one is NaN.
    Min,
}

impl Operator for Binary {
    fn name(&self) -> &'static str {
        match self {
            Binary::Add => "Add",
            Binary::Sub => "Sub",
            Binary::Mul => "Mul",
            Binary::Div => "Div",
            Binary::Pow => "Pow",
            Binary::Mod | Binary::Fmod => "Mod",
            Binary::Max => "Max",
            Binary::Min => "Min",
        }
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        let (a, b) = (
            numeric(operand_type(operands, 0)?)?,
            numeric(operand_type(operands, 1)?)?,
        );
        if a == ElementType::Bool || (a != b && *self != Binary::Pow) {
            return Err(format!("{} of {a:?} and {b:?}", self.name()));
        }
        Ok(vec![a])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (a, b) = (operand(operands, 0)?, operand(operands, 1)?);
        let (sa, sb) = (a.shape(), b.shape());
        let (shape, data) = match (a.data(), b.data()) {
            (Data::F32(x), Data::F32(y)) => wrap(
                self.floats((sa, x), (sb, y), libm::powf, libm::fmodf)?,
                Data::F32,
            ),
            (Data::F64(x), Data::F64(y)) => wrap(
                self.floats((sa, x), (sb, y), libm::pow, libm::fmod)?,
                Data::F64,
            ),
            (Data::I64(x), Data::I64(y)) => wrap(self.integers((sa, x), (sb, y))?, Data::I64),
            // Powers with an exponent of another type.
            (Data::F32(x), _) if *self == Binary::Pow => {
                let y = crate::graph::operator::as_f64(b)?;
                wrap(
                    zip((sa, x), (sb, &y), |x, y| libm::pow(f64::from(x), y) as f32)?,
                    Data::F32,
                )
            }
            (Data::F64(x), _) if *self == Binary::Pow => {
                let y = crate::graph::operator::as_f64(b)?;
                wrap(zip((sa, x), (sb, &y), libm::pow)?, Data::F64)
            }
            (Data::I64(x), _) if *self == Binary::Pow => {
                let y = crate::graph::operator::as_f64(b)?;
                wrap(
                    zip((sa, x), (sb, &y), |x, y| libm::pow(x as f64, y) as i64)?,
                    Data::I64,
                )
            }
            (x, y) => {
                return Err(format!(
                    "{} of {:?} and {:?}",
                    self.name(),
                    x.element_type(),
                    y.element_type()
                ));
            }
        };
        Ok(vec![tensor(shape, data)?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

fn wrap<T>(
    (shape, values): (Vec<usize>, Vec<T>),
    data: impl Fn(Vec<T>) -> Data,
) -> (Vec<usize>, Data) {
    (shape, data(values))
}

type View<'a, T> = (&'a [usize], &'a [T]);

/// A float type as far as [`Binary`] needs it.
trait Float:
    Copy
    + PartialOrd
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + Default
{
    const TWO: Self;
}
impl Float for f32 {
    const TWO: f32 = 2.0;
}
impl Float for f64 {
    const TWO: f64 = 2.0;
}

impl Binary {
    fn floats<T: Float>(
        self,
        a: View<'_, T>,
        b: View<'_, T>,
        pow: impl Fn(T, T) -> T,
        fmod: impl Fn(T, T) -> T,
    ) -> Result<(Vec<usize>, Vec<T>), String> {
        let zero = T::default();
        #[expect(clippy::eq_op, reason = "only NaN differs from itself")]
        let nan = |x: T| x != x;
        match self {
            Binary::Add => zip(a, b, |a, b| a + b),
            Binary::Sub => zip(a, b, |a, b| a - b),
            Binary::Mul => zip(a, b, |a, b| a * b),
            Binary::Div => zip(a, b, |a, b| a / b),
            Binary::Pow => match *b.1 {
                // The usual exponent; the square is the same to the bit and much faster.
                [exponent] if exponent == T::TWO => zip(a, b, |a, _| a * a),
                _ => zip(a, b, pow),
            },
            Binary::Fmod => zip(a, b, fmod),
            Binary::Mod => zip(a, b, |a, b| {
                let rest = fmod(a, b);
                if rest != zero && (rest < zero) != (b < zero) {
                    rest + b
                } else {
                    rest
                }
            }),
            Binary::Max => zip(a, b, |a, b| if nan(a) || a > b { a } else { b }),
            Binary::Min => zip(a, b, |a, b| if nan(a) || a < b { a } else { b }),
        }
    }

    fn integers(
        self,
        a: View<'_, i64>,
        b: View<'_, i64>,
    ) -> Result<(Vec<usize>, Vec<i64>), String> {
        if matches!(self, Binary::Div | Binary::Mod | Binary::Fmod) && b.1.contains(&0) {
            return Err(format!("{} of integers by 0", self.name()));
        }
        match self {
            Binary::Add => zip(a, b, i64::wrapping_add),
            Binary::Sub => zip(a, b, i64::wrapping_sub),
            Binary::Mul => zip(a, b, i64::wrapping_mul),
            Binary::Div => zip(a, b, i64::wrapping_div),
            Binary::Fmod => zip(a, b, i64::wrapping_rem),
            Binary::Mod => zip(a, b, |a, b| {
                let rest = a.wrapping_rem(b);
                if rest != 0 && (rest < 0) != (b < 0) {
                    rest + b
                } else {
                    rest
                }
            }),
            Binary::Pow => zip(a, b, |a, b| match u32::try_from(b) {
                Ok(exponent) => a.wrapping_pow(exponent),
                Err(_) => libm::pow(a as f64, b as f64) as i64,
            }),
            Binary::Max => zip(a, b, i64::max),
            Binary::Min => zip(a, b, i64::min),
        }
    }
}

/// Comparison of two numbers of one type, or equality of two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Compare {
    /// `a = b`
    Equal,
    /// `a < b`
    Less,
    /// `a ≤ b`
    LessOrEqual,
    /// `a > b`
    Greater,
    /// `a ≥ b`
    GreaterOrEqual,
}

impl Compare {
    fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        match self {
            Compare::Equal => a == b,
            Compare::Less => a < b,
            Compare::LessOrEqual => a <= b,
            Compare::Greater => a > b,
            Compare::GreaterOrEqual => a >= b,
        }
    }
}

impl Operator for Compare {
    fn name(&self) -> &'static str {
        match self {
            Compare::Equal => "Equal",
            Compare::Less => "Less",
            Compare::LessOrEqual => "LessOrEqual",
            Compare::Greater => "Greater",
            Compare::GreaterOrEqual => "GreaterOrEqual",
        }
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        let (a, b) = (operand_type(operands, 0)?, operand_type(operands, 1)?);
        let ordered = !matches!(a, ElementType::Symbol | ElementType::Bool);
        if a != b || !(ordered || *self == Compare::Equal) {
            return Err(format!("{} of {a:?} and {b:?}", self.name()));
        }
        Ok(vec![ElementType::Bool])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (a, b) = (operand(operands, 0)?, operand(operands, 1)?);
        let (sa, sb) = (a.shape(), b.shape());
        let (shape, values) = match (a.data(), b.data()) {
            (Data::F32(x), Data::F32(y)) => zip((sa, x), (sb, y), |x, y| self.holds(x, y))?,
            (Data::F64(x), Data::F64(y)) => zip((sa, x), (sb, y), |x, y| self.holds(x, y))?,
            (Data::I64(x), Data::I64(y)) => zip((sa, x), (sb, y), |x, y| self.holds(x, y))?,
            (Data::Bool(x), Data::Bool(y)) if *self == Compare::Equal => {
                zip((sa, x), (sb, y), |x, y| x == y)?
            }
            // Two unknown texts are not told apart, so they count as different.
            (Data::Symbol(x), Data::Symbol(y)) if *self == Compare::Equal => {
                zip((sa, x), (sb, y), |x, y| x == y && x.index().is_some())?
            }
            (x, y) => {
                return Err(format!(
                    "{} of {:?} and {:?}",
                    self.name(),
                    x.element_type(),
                    y.element_type()
                ));
            }
        };
        Ok(vec![tensor(shape, Data::Bool(values))?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}

/// A function of two booleans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Logical {
    /// Both.
    And,
    /// One or both.
    Or,
    /// Exactly one.
    Xor,
}

impl Operator for Logical {
    fn name(&self) -> &'static str {
        match self {
            Logical::And => "And",
            Logical::Or => "Or",
            Logical::Xor => "Xor",
        }
    }

    fn arity(&self) -> Arity {
        Arity::exactly(2)
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        match (operand_type(operands, 0)?, operand_type(operands, 1)?) {
            (ElementType::Bool, ElementType::Bool) => Ok(vec![ElementType::Bool]),
            (a, b) => Err(format!("{} of {a:?} and {b:?}", self.name())),
        }
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let (a, b) = (operand(operands, 0)?, operand(operands, 1)?);
        let (Data::Bool(x), Data::Bool(y)) = (a.data(), b.data()) else {
            return Err(format!(
                "{} of {:?} and {:?}",
                self.name(),
                a.element_type(),
                b.element_type()
            ));
        };
        let (shape, values) = zip((a.shape(), x), (b.shape(), y), |x, y| match self {
            Logical::And => x && y,
            Logical::Or => x || y,
            Logical::Xor => x != y,
        })?;
        Ok(vec![tensor(shape, Data::Bool(values))?])
    }

    fn flow(&self) -> Flow {
        Flow::Elementwise
    }
}
