//! The operators a tabular graph is made of.

use borsh::{BorshDeserialize, BorshSerialize};

use super::Linear;
use super::dense::{
    ArgExtreme, Binary, Cast, Clip, Compare, Compress, Concat, ConstantOfShape, CumSum, Distance,
    Expand, Flatten, Gather, GatherElements, GatherNd, Gemm, Identity, Layers, Logical,
    LpNormalize, MatMul, NonZero, OneHot, Range, Reduce, Reshape, ScatterElements, ScatterNd,
    Select, Shape, Size, Slice, Softmax, Split, Squeeze, Tile, TopK, Transpose, Unary, Unsqueeze,
};
use super::ml::{
    ArrayFeatureExtractor, Binarizer, Calibration, ClassLabel, ClassScores, FeatureVectorizer,
    Imputer, LabelEncoder, Normalizer, OneHotEncoder, Scaler, SvmClassifier, SvmRegressor,
};
#[cfg(feature = "neural")]
use super::neural::{
    Conv, ConvTranspose, Einsum, LocalResponse, Pooling, Recurrent, Resample, Standardise,
};
use super::operator::{
    Arity, Flow, Operands, Operator, as_f64, matrix_rows, numeric, operand, operand_type, tensor,
};
use super::text::{StringNormalizer, TfIdfVectorizer, Tokenizer};
use crate::trees::TreeEnsemble;
use crate::{Data, ElementType, Tensor};

/// Declares [`Op`]: its variants, their conversions from the operators' own types, and the dispatch. The second group is
/// there with the feature `neural` only.
macro_rules! operators {
    (
        both { $($(#[$doc:meta])* $variant:ident($type:ty),)* }
        neural { $($(#[$neural_doc:meta])* $neural:ident($neural_type:ty),)* }
    ) => {
        /// An operator with its checked attributes.
        #[derive(Clone, Debug, PartialEq, BorshSerialize, BorshDeserialize)]
        pub enum Op {
            $($(#[$doc])* $variant($type),)*
            $($(#[$neural_doc])* #[cfg(feature = "neural")] $neural($neural_type),)*
        }

        impl Op {
            /// What the operator tells about itself.
            pub(super) fn operator(&self) -> &dyn Operator {
                match self {
                    $(Op::$variant(operator) => operator,)*
                    $(#[cfg(feature = "neural")] Op::$neural(operator) => operator,)*
                }
            }

            /// Whether only the neural engine has the operator.
            pub fn is_neural(&self) -> bool {
                match self {
                    $(Op::$variant(_) => false,)*
                    $(#[cfg(feature = "neural")] Op::$neural(_) => true,)*
                }
            }
        }

        $(impl From<$type> for Op {
            fn from(operator: $type) -> Op {
                Op::$variant(operator)
            }
        })*

        $(#[cfg(feature = "neural")] impl From<$neural_type> for Op {
            fn from(operator: $neural_type) -> Op {
                Op::$neural(operator)
            }
        })*
    };
}

operators! {
    both {
        /// Margins of a tree ensemble: `[rows, columns]` numbers → `[rows, outputs]` f64.
        Trees(TreeEnsemble),
        /// Margins of a linear model: `[rows, columns]` numbers → `[rows, outputs]` f64.
        Linear(Linear),
        /// A function of one number.
        Unary(Unary),
        /// Arithmetic of two numbers.
        Binary(Binary),
        /// Comparison of two values.
        Compare(Compare),
        /// A function of two booleans.
        Logical(Logical),
        /// Change of type.
        Cast(Cast),
        /// The operand itself.
        Identity(Identity),
        /// Choice by a condition.
        Select(Select),
        /// Limits.
        Clip(Clip),
        /// A shape as integers.
        Shape(Shape),
        /// A number of elements.
        Size(Size),
        /// A filled tensor.
        ConstantOfShape(ConstantOfShape),
        /// A sequence of numbers.
        Range(Range),
        /// Another shape.
        Reshape(Reshape),
        /// Another shape: a matrix.
        Flatten(Flatten),
        /// Axes of extent 1 removed.
        Squeeze(Squeeze),
        /// Axes of extent 1 added.
        Unsqueeze(Unsqueeze),
        /// Axes in another order.
        Transpose(Transpose),
        /// Operands joined along an axis.
        Concat(Concat),
        /// Parts along an axis.
        Split(Split),
        /// Ranges of axes.
        Slice(Slice),
        /// Broadcast to a shape.
        Expand(Expand),
        /// Repeated along axes.
        Tile(Tile),
        /// Entries of an axis.
        Gather(Gather),
        /// Entries of an axis, by a condition.
        Compress(Compress),
        /// Elements picked one by one.
        GatherElements(GatherElements),
        /// Slices picked one by one.
        GatherNd(GatherNd),
        /// Elements replaced one by one.
        ScatterElements(ScatterElements),
        /// Slices replaced one by one.
        ScatterNd(ScatterNd),
        /// Indicators of an index.
        OneHot(OneHot),
        /// A matrix product.
        MatMul(MatMul),
        /// A scaled matrix product and an addend.
        Gemm(Gemm),
        /// A summary over axes.
        Reduce(Reduce),
        /// Exponentials that add up to 1.
        Softmax(Softmax),
        /// Numbers divided by their norm.
        LpNormalize(LpNormalize),
        /// The index of an extreme.
        ArgExtreme(ArgExtreme),
        /// The best few.
        TopK(TopK),
        /// Running sums.
        CumSum(CumSum),
        /// Indices of what is not 0.
        NonZero(NonZero),
        /// Pairwise distances.
        Distance(Distance),
        /// Scores from margins.
        ClassScores(ClassScores),
        /// Labels from scores.
        ClassLabel(ClassLabel),
        /// A support vector regressor.
        SvmRegressor(SvmRegressor),
        /// A support vector classifier.
        SvmClassifier(SvmClassifier),
        /// Standardised columns.
        Scaler(Scaler),
        /// Constants for missing values.
        Imputer(Imputer),
        /// Rows of unit norm.
        Normalizer(Normalizer),
        /// 0 or 1 by a threshold.
        Binarizer(Binarizer),
        /// Indicators of categories.
        OneHotEncoder(OneHotEncoder),
        /// Values looked up by keys.
        LabelEncoder(LabelEncoder),
        /// Operands side by side.
        FeatureVectorizer(FeatureVectorizer),
        /// Columns by position.
        ArrayFeatureExtractor(ArrayFeatureExtractor),
        /// Dense layers, one after the other.
        Layers(Layers),
        /// Text in one case.
        StringNormalizer(StringNormalizer),
        /// Tokens of a text.
        Tokenizer(Tokenizer),
        /// Counts of n-grams.
        TfIdfVectorizer(TfIdfVectorizer),
        /// Probabilities from scores, as often right as they say.
        Calibration(Calibration),
    }
    neural {
        /// A convolution.
        Conv(Conv),
        /// A summary of sliding windows.
        Pooling(Pooling),
        /// A transposed convolution.
        ConvTranspose(ConvTranspose),
        /// Axes of mean 0 and variance 1.
        Standardise(Standardise),
        /// Division by neighbours in other channels.
        LocalResponse(LocalResponse),
        /// An axis resized, padded or cropped.
        Resample(Resample),
        /// A recurrent layer.
        Recurrent(Recurrent),
        /// Sums of products over named axes.
        Einsum(Einsum),
    }
}

impl Op {
    /// The operator's name, for error texts.
    pub fn name(&self) -> &'static str {
        self.operator().name()
    }

    /// Types of the values made from operands of these types, one per output.
    ///
    /// # Errors
    /// When the operator does not take such operands: the type seen and what was expected.
    pub fn element_types(
        &self,
        operands: &[Option<ElementType>],
        outputs: u32,
    ) -> Result<Vec<ElementType>, String> {
        let mut types = self.operator().element_types(operands)?;
        if let [only] = types[..] {
            types.resize(outputs as usize, only);
        }
        Ok(types)
    }

    /// Runs the operator outside a graph; importers fold constants with it.
    ///
    /// # Errors
    /// When it does not take these operands.
    pub fn apply(&self, operands: &[Option<&Tensor>], outputs: u32) -> Result<Vec<Tensor>, String> {
        let present: Vec<bool> = operands.iter().map(Option::is_some).collect();
        self.check_arity(&present, outputs)?;
        self.operator().evaluate(operands)
    }

    /// Whether the operator can take operands of which these are present, and make that many values.
    pub(super) fn check_arity(&self, present: &[bool], outputs: u32) -> Result<(), String> {
        let arity = self.operator().arity();
        let required = *arity.operands.start();
        let complete =
            present.len() >= required && present[..required].iter().all(|&present| present);
        if !complete || present.len() > *arity.operands.end() || !arity.outputs.contains(&outputs) {
            return Err(format!(
                "{} operands and {outputs} outputs, expected {} and {}",
                present.iter().filter(|&&present| present).count(),
                span(&required, arity.operands.end(), &usize::MAX),
                span(arity.outputs.start(), arity.outputs.end(), &u32::MAX)
            ));
        }
        Ok(())
    }

    /// What the results depend on.
    pub(super) fn flow(&self) -> Flow {
        self.operator().flow()
    }

    /// Runs the operator.
    pub(super) fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        self.operator().evaluate(operands)
    }
}

fn span<T: PartialEq + std::fmt::Display>(low: &T, high: &T, most: &T) -> String {
    if low == high {
        low.to_string()
    } else if high == most {
        format!("{low} or more")
    } else {
        format!("{low} to {high}")
    }
}

impl Operator for TreeEnsemble {
    fn name(&self) -> &'static str {
        "Trees"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        numeric(operand_type(operands, 0)?).map(|_| vec![ElementType::F64])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        let rows = matrix_rows(operand(operands, 0)?, self.columns())?;
        let x = as_f64(operand(operands, 0)?)?;
        let mut margins = vec![0.0; rows * self.outputs()];
        TreeEnsemble::evaluate(self, &x, &mut margins);
        Ok(vec![tensor(
            vec![rows, self.outputs()],
            Data::F64(margins),
        )?])
    }

    fn arity(&self) -> Arity {
        Arity::exactly(1)
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}

impl Operator for Linear {
    fn name(&self) -> &'static str {
        "Linear"
    }

    fn element_types(&self, operands: &[Option<ElementType>]) -> Result<Vec<ElementType>, String> {
        numeric(operand_type(operands, 0)?).map(|_| vec![ElementType::F64])
    }

    fn evaluate(&self, operands: &Operands<'_>) -> Result<Vec<Tensor>, String> {
        Ok(vec![Linear::evaluate(self, operand(operands, 0)?)?])
    }

    fn flow(&self) -> Flow {
        Flow::Rows
    }
}
