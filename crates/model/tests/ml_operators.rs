//! What the ai.onnx.ml operators refuse, in words, and the properties that no vector of ONNX Runtime's shows. Their values
//! are compared with ONNX Runtime's by `hyaline-formats` (`tests/fixtures/ml_ops`).

use borsh::BorshDeserialize;
use hyaline_model::graph::Op;
use hyaline_model::graph::ml::{
    ArrayFeatureExtractor, Binarizer, ClassLabel, ClassScores, Decision, FeatureVectorizer,
    Imputer, Kernel, LabelEncoder, Labels, Normalizer, OneHotEncoder, PostTransform, Scaler,
    SecondScore, SupportVectors, SvmClassifier, SvmClassifierParts, SvmRegressor,
};
use hyaline_model::{Data, Symbol, Symbols, Tensor};

fn matrix(columns: usize, values: &[f32]) -> Tensor {
    Tensor::new(
        vec![values.len() / columns, columns],
        Data::F32(values.to_vec()),
    )
    .expect("whole rows")
}

fn floats(tensor: &Tensor) -> &[f32] {
    match tensor.data() {
        Data::F32(values) => values,
        other => panic!("{:?}, expected F32", other.element_type()),
    }
}

fn run(op: impl Into<Op>, x: &Tensor) -> Result<Tensor, String> {
    Ok(op.into().apply(&[Some(x)], 1)?.remove(0))
}

fn refusal<T>(result: Result<T, String>) -> String {
    result.err().expect("a refusal")
}

fn vectors() -> SupportVectors {
    SupportVectors::new(
        Kernel::Rbf { gamma: 0.5 },
        4,
        &[0.0, 1.0, 1.0, 0.5, -1.0, 2.0, 0.3, 0.3],
    )
    .expect("sound")
}

fn classifier(
    labels: Vec<i64>,
    change: impl FnOnce(&mut SvmClassifierParts),
) -> Result<SvmClassifier, String> {
    let mut parts = SvmClassifierParts {
        vectors: vectors(),
        vectors_per_class: vec![1, 1, 2],
        coefficients: vec![0.5, -0.3, 0.2, 0.7, -0.4, 0.6, -0.2, -0.1],
        rho: vec![0.1, -0.2, 0.3],
        prob_a: vec![-2.0, -1.0, -1.5],
        prob_b: vec![0.1, 0.0, -0.1],
        labels: Labels::Integers(labels),
        scores: ClassScores::new(PostTransform::None, SecondScore::Opposite).expect("sound"),
    };
    change(&mut parts);
    SvmClassifier::new(parts)
}

#[test]
fn attributes_that_contradict_each_other_are_refused() {
    let nan = f32::NAN;
    let cases = [
        (
            refusal(Scaler::new(vec![1.0], vec![1.0, 2.0])),
            "1 offsets and 2 scales, expected one of each per column",
        ),
        (
            refusal(Scaler::new(vec![], vec![])),
            "0 offsets and 0 scales, expected one of each per column",
        ),
        (
            refusal(Scaler::new(vec![0.0, nan], vec![1.0, 2.0])),
            "offset[1] is NaN, expected a finite number",
        ),
        (
            refusal(Scaler::new(vec![0.0], vec![f32::INFINITY])),
            "scale[0] is inf, expected a finite number",
        ),
        (
            refusal(Imputer::floats(nan, vec![])),
            "no imputed value, expected one, or one per column",
        ),
        (
            refusal(Binarizer::new(nan)),
            "the threshold is NaN, expected a number",
        ),
        (
            refusal(OneHotEncoder::integers(vec![], true)),
            "no categories, expected at least one",
        ),
        (
            refusal(LabelEncoder::new(
                &Data::I64(vec![1, 2]),
                Data::F32(vec![0.5, 0.0]),
            )),
            "2 keys and 1 values, expected as many of both",
        ),
        (
            refusal(LabelEncoder::new(
                &Data::Symbol(vec![Symbol::UNKNOWN]),
                Data::F32(vec![0.5, 0.0]),
            )),
            "a key is the unknown text",
        ),
        (
            refusal(ClassScores::new(
                PostTransform::Probit,
                SecondScore::Complement,
            )),
            "post_transform PROBIT of one score for two classes is undefined; give one score per class",
        ),
        (
            refusal(ClassLabel::new(
                Decision::Above {
                    column: 0,
                    threshold: f64::NAN,
                },
                Labels::Integers(vec![0, 1]),
            )),
            "the decision threshold is NaN, expected a finite number",
        ),
        (
            refusal(ClassLabel::new(
                Decision::Above {
                    column: 0,
                    threshold: 0.0,
                },
                Labels::Integers(vec![0, 1, 2]),
            )),
            "3 class labels, expected 2",
        ),
        (
            refusal(ClassLabel::new(Decision::Largest, Labels::Integers(vec![]))),
            "0 class labels, expected at least 1",
        ),
        (
            refusal(SupportVectors::new(Kernel::Linear, 3, &[0.0; 7])),
            "7 numbers for 3 support vectors",
        ),
        (
            refusal(SupportVectors::new(Kernel::Linear, 0, &[])),
            "0 numbers for 0 support vectors",
        ),
        (
            refusal(SupportVectors::new(
                Kernel::Poly {
                    gamma: 1.0,
                    coef0: 0.0,
                    degree: nan,
                },
                1,
                &[1.0],
            )),
            "kernel_params[2] is NaN, expected a finite number",
        ),
        (
            refusal(SupportVectors::new(Kernel::Linear, 1, &[1.0, nan])),
            "support_vectors[1] is NaN, expected a finite number",
        ),
        (
            refusal(SvmRegressor::new(vectors(), vec![1.0], 0.0, false)),
            "1 coefficients for 4 support vectors",
        ),
        (
            refusal(SvmRegressor::new(vectors(), vec![1.0; 4], nan, false)),
            "rho[0] is NaN, expected a finite number",
        ),
        (
            refusal(classifier(vec![7], |_| {})),
            "1 class labels and 3 vectors_per_class, expected one of each for at least two classes",
        ),
        (
            refusal(classifier(vec![7, 8, 9], |parts| {
                parts.vectors_per_class = vec![1, 1, 1]
            })),
            "vectors_per_class adds up to 3, there are 4 support vectors",
        ),
        (
            refusal(classifier(vec![7, 8, 9], |parts| {
                parts.coefficients.truncate(7)
            })),
            "7 coefficients for 3 classes, expected 8",
        ),
        (
            refusal(classifier(vec![7, 8, 9], |parts| parts.rho.truncate(1))),
            "1 rho for 3 classes, expected 3",
        ),
        (
            refusal(classifier(vec![7, 8, 9], |parts| parts.prob_a.truncate(2))),
            "2 prob_a for 3 classes, expected 3",
        ),
        (
            refusal(classifier(vec![7, 8, 9], |parts| parts.prob_b.clear())),
            "0 prob_b for 3 classes, expected 3",
        ),
        (
            refusal(classifier(vec![7, 8, 9], |parts| parts.prob_a.clear())),
            "3 prob_b for 3 classes, expected 0",
        ),
        (
            refusal(classifier(vec![7, 8, 9], |parts| parts.prob_a[1] = nan)),
            "prob_a[1] is NaN, expected a finite number",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn values_that_an_operator_cannot_take_are_refused() {
    let x = matrix(2, &[1.0, f32::NAN]);
    let text = Tensor::new(vec![1, 1], Data::Symbol(vec![Symbol::UNKNOWN])).expect("one element");
    let cube = Tensor::new(vec![1, 1, 2], Data::F32(vec![1.0, 2.0])).expect("two elements");
    let known = Symbols::new(vec!["a".to_owned()]).symbol("a");
    let indices = Tensor::new(vec![1], Data::I64(vec![2])).expect("one element");
    let label = ClassLabel::new(Decision::Largest, Labels::Integers(vec![1, 2, 3])).expect("sound");
    let above = ClassLabel::new(
        Decision::Above {
            column: 2,
            threshold: 0.5,
        },
        Labels::Integers(vec![1, 2]),
    )
    .expect("sound");
    let strict = OneHotEncoder::symbols(vec![known], false).expect("sound");
    let side_by_side = Op::from(FeatureVectorizer { widths: vec![1, 1] });
    let scaler = Scaler::new(vec![0.0; 3], vec![1.0; 3]).expect("sound");
    let cases = [
        (
            run(Binarizer::new(0.5).expect("sound"), &x),
            "element 1 is NaN, which is neither above 0.5 nor below",
        ),
        (
            run(scaler.clone(), &x),
            "operand of 2 columns, the scaler has 3",
        ),
        (
            run(scaler, &cube),
            "operand of shape [1, 1, 2], expected [rows, columns]",
        ),
        (
            run(Imputer::floats(0.0, vec![1.0; 3]).expect("sound"), &x),
            "operand of 2 columns, the imputer has 3",
        ),
        (
            run(strict.clone(), &text),
            "element 0 is none of the 1 categories (zeros = 0)",
        ),
        (run(strict, &x), "F32, the categories are texts"),
        (run(label, &x), "2 scores per row for 3 class labels"),
        (
            run(above, &x),
            "2 scores per row, the label is decided by score 2",
        ),
        (
            run(
                SvmRegressor::new(vectors(), vec![1.0; 4], 0.0, false).expect("sound"),
                &matrix(3, &[0.0; 3]),
            ),
            "operand of shape [1, 3], expected [rows, 2]",
        ),
        (
            run(Normalizer::L2, &text),
            "text where numbers are expected",
        ),
        (
            Op::from(ArrayFeatureExtractor)
                .apply(&[Some(&x), Some(&indices)], 1)
                .map(|mut made| made.remove(0)),
            "index 2, the operand has 2 columns",
        ),
        (
            side_by_side
                .apply(&[Some(&x), Some(&matrix(2, &[0.0; 4]))], 1)
                .map(|mut made| made.remove(0)),
            "operand 1 has 2 rows, operand 0 has 1",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(refusal(found), expected);
    }
}

#[test]
fn an_unknown_text_is_no_category_and_no_key() {
    let symbols = Symbols::new(vec!["a".to_owned(), "b".to_owned()]);
    let x = Tensor::new(
        vec![3],
        Data::Symbol(vec![
            symbols.symbol("b"),
            symbols.symbol("?"),
            symbols.symbol("a"),
        ]),
    )
    .expect("three");
    let keys = vec![symbols.symbol("b"), symbols.symbol("a")];
    let encoded = run(
        OneHotEncoder::symbols(keys.clone(), true).expect("sound"),
        &x,
    )
    .expect("accepted");
    assert_eq!(
        (encoded.shape(), floats(&encoded)),
        ([3, 2].as_slice(), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0].as_slice())
    );
    let lookup =
        LabelEncoder::new(&Data::Symbol(keys), Data::I64(vec![10, 20, -1])).expect("sound");
    assert!(
        lookup
            .known_symbols()
            .map(|symbol| symbols.text(symbol))
            .eq([Some("a"), Some("b")])
    );
    assert_eq!(
        *run(lookup, &x).expect("accepted").data(),
        Data::I64(vec![10, -1, 20])
    );
}

#[test]
fn coupled_probabilities_add_up_to_one_and_agree_with_their_pairs() {
    // Pairwise probabilities r[i, j] = p_i / (p_i + p_j) are consistent, so the coupling has to give p back. A decision of 1
    // under slope a and offset 0 has the pairwise probability 1 / (1 + exp(a)).
    let wanted = [0.5f64, 0.3, 0.2];
    let slope = |i: usize, j: usize| (wanted[j] / wanted[i]).ln() as f32;
    let machine = classifier(vec![0, 1, 2], |parts| {
        parts.coefficients = vec![0.0; 8];
        parts.rho = vec![1.0; 3];
        parts.prob_a = vec![slope(0, 1), slope(0, 2), slope(1, 2)];
        parts.prob_b = vec![0.0; 3];
    });
    let made = Op::from(machine.expect("sound"))
        .apply(&[Some(&matrix(2, &[0.2, 0.4]))], 2)
        .expect("accepted");
    let found = floats(&made[1]);
    assert!((found.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{found:?}");
    // libsvm stops when no class is off by more than 0.005 / 3.
    assert!(
        found
            .iter()
            .zip(wanted)
            .all(|(found, wanted)| (f64::from(*found) - wanted).abs() < 5e-3),
        "{found:?}"
    );
}

#[test]
fn prop_similarities_do_not_depend_on_the_rows_beside_them() {
    let machine = Op::from(
        SvmRegressor::new(vectors(), vec![0.4, -0.3, 0.2, 0.9], 0.1, false).expect("sound"),
    );
    let rows: Vec<f32> = (0..40).map(|i| (i * 37 % 19) as f32 / 7.0 - 1.0).collect();
    let together = machine
        .apply(&[Some(&matrix(2, &rows))], 1)
        .expect("accepted");
    for (row, value) in rows.chunks_exact(2).zip(floats(&together[0])) {
        let alone = machine
            .apply(&[Some(&matrix(2, row))], 1)
            .expect("accepted");
        assert_eq!(floats(&alone[0])[0].to_bits(), value.to_bits());
    }
}

#[test]
fn operators_survive_the_image_and_forged_ones_are_refused() {
    let symbols = Symbols::new(vec!["a".to_owned(), "b".to_owned()]);
    let sound: Vec<Op> = vec![
        Scaler::new(vec![1.0, 2.0], vec![0.5, 0.25])
            .expect("sound")
            .into(),
        Imputer::floats(f32::NAN, vec![0.5]).expect("sound").into(),
        Imputer::integers(-1, vec![5]).expect("sound").into(),
        Binarizer::new(0.5).expect("sound").into(),
        Normalizer::L1.into(),
        OneHotEncoder::integers(vec![3, 1, 2], false)
            .expect("sound")
            .into(),
        OneHotEncoder::symbols(vec![symbols.symbol("b"), symbols.symbol("a")], true)
            .expect("sound")
            .into(),
        LabelEncoder::new(
            &Data::F32(vec![f32::NAN, 1.0]),
            Data::F64(vec![1.0, 2.0, 3.0]),
        )
        .expect("sound")
        .into(),
        ClassScores::new(PostTransform::Logistic, SecondScore::Opposite)
            .expect("sound")
            .into(),
        ClassLabel::new(
            Decision::AnyAbove {
                threshold: 0.5,
                inclusive: true,
            },
            Labels::Integers(vec![4, 5]),
        )
        .expect("sound")
        .into(),
        ClassLabel::new(
            Decision::Above {
                column: 1,
                threshold: 0.0,
            },
            Labels::Integers(vec![4, 5]),
        )
        .expect("sound")
        .into(),
        SvmRegressor::new(vectors(), vec![0.4, -0.3, 0.2, 0.9], 0.1, true)
            .expect("sound")
            .into(),
        classifier(vec![1, 2, 3], |_| {}).expect("sound").into(),
        FeatureVectorizer { widths: vec![2, 3] }.into(),
        ArrayFeatureExtractor.into(),
    ];
    for op in sound {
        let bytes = borsh::to_vec(&op).expect("writes to memory");
        let read = Op::try_from_slice(&bytes).expect("what was written");
        assert_eq!(
            borsh::to_vec(&read).expect("writes to memory"),
            bytes,
            "{}",
            op.name()
        );
        // Each truncation and each flipped bit is refused or gives an operator that writes the same bytes again; none panics.
        for length in 0..bytes.len() {
            assert!(
                Op::try_from_slice(&bytes[..length]).is_err(),
                "{} cut to {length} bytes",
                op.name()
            );
        }
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(op) = Op::try_from_slice(&forged) {
                assert_eq!(
                    borsh::to_vec(&op).expect("writes to memory"),
                    forged,
                    "bit {bit} of {}",
                    op.name()
                );
            }
        }
    }
}

#[test]
fn a_lookup_whose_keys_do_not_ascend_is_refused() {
    let lookup = Op::from(
        LabelEncoder::new(&Data::I64(vec![1, 2]), Data::I64(vec![10, 20, 0])).expect("sound"),
    );
    let mut bytes = borsh::to_vec(&lookup).expect("writes to memory");
    let first = bytes
        .windows(8)
        .position(|window| window == 1u64.to_le_bytes())
        .expect("the first key");
    bytes[first] = 3;
    let refusal = Op::try_from_slice(&bytes)
        .expect_err("the keys are 3 and 2")
        .to_string();
    assert_eq!(
        refusal,
        "2 keys that do not ascend or do not fit the values"
    );
}
