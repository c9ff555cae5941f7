//! Damaged and hostile ONNX files: an error in words, never a panic, never much memory.

use std::fs;
use std::path::Path;

use hyaline_formats::{ImportOptions, import};
use hyaline_model::{Core, ExplainerSettings, Model, ModelParts};

/// A protobuf message under construction.
#[derive(Clone, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(mut self, field: u64, value: u64) -> Message {
        self.raw(field << 3);
        self.raw(value);
        self
    }

    fn bytes(mut self, field: u64, bytes: impl AsRef<[u8]>) -> Message {
        self.raw(field << 3 | 2);
        self.raw(bytes.as_ref().len() as u64);
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    fn raw(&mut self, mut value: u64) {
        while value > 127 {
            self.0.push(value as u8 | 128);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

const FLOAT: u64 = 1;
const INT64: u64 = 7;
const STRING: u64 = 8;
const FLOAT16: u64 = 10;

fn value(name: &str, element_type: u64, dims: &[u64]) -> Message {
    let shape = dims.iter().fold(Message::default(), |shape, &dim| {
        let dimension = if dim == 0 {
            Message::default()
        } else {
            Message::default().varint(1, dim)
        };
        shape.bytes(1, dimension)
    });
    let tensor = Message::default().varint(1, element_type).bytes(2, shape);
    Message::default()
        .bytes(1, name)
        .bytes(2, Message::default().bytes(1, tensor))
}

fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[Message]) -> Message {
    let mut node = inputs
        .iter()
        .fold(Message::default(), |node, name| node.bytes(1, name));
    node = outputs.iter().fold(node, |node, name| node.bytes(2, name));
    node = node.bytes(3, format!("the_{op}")).bytes(4, op);
    attributes
        .iter()
        .fold(node, |node, attribute| node.bytes(5, attribute))
}

fn int(name: &str, value: i64) -> Message {
    Message::default()
        .bytes(1, name)
        .varint(3, value as u64)
        .varint(20, 2)
}

fn integers(name: &str, values: &[i64]) -> Message {
    let tensor = values.iter().fold(Message::default(), |tensor, &value| {
        tensor.varint(7, value as u64)
    });
    tensor
        .varint(1, values.len() as u64)
        .varint(2, INT64)
        .bytes(8, name)
}

/// A model of one input `X`, with the parts of its graph.
fn model(input: Message, nodes: &[Message], constants: &[Message], output: &str) -> Vec<u8> {
    let mut graph = nodes
        .iter()
        .fold(Message::default(), |graph, node| graph.bytes(1, node));
    graph = constants
        .iter()
        .fold(graph, |graph, constant| graph.bytes(5, constant));
    graph = graph
        .bytes(11, input)
        .bytes(12, value(output, FLOAT, &[0, 1]));
    Message::default()
        .varint(1, 8)
        .bytes(7, graph)
        .bytes(8, Message::default().varint(2, 18))
        .0
}

fn matrix() -> Message {
    value("X", FLOAT, &[0, 3])
}

fn refusal(bytes: &[u8]) -> String {
    refusal_with(bytes, &ImportOptions::default())
}

fn refusal_with(bytes: &[u8], options: &ImportOptions) -> String {
    import(bytes, options).expect_err("a refusal").to_string()
}

#[test]
fn refusals_name_operator_domain_version_and_node() {
    let one = |op: &str, attributes: &[Message]| {
        model(matrix(), &[node(op, &["X"], &["Y"], attributes)], &[], "Y")
    };
    assert_eq!(
        refusal(&one("Multinomial", &[])),
        "ONNX operator Multinomial (ai.onnx version 18), node `the_Multinomial`: not supported: this operator is not one \
         that functions run"
    );
    assert_eq!(
        refusal(&model(
            matrix(),
            &[node("Gelu", &["X"], &["Y"], &[]).bytes(7, "com.microsoft")],
            &[],
            "Y"
        )),
        "ONNX operator Gelu (com.microsoft version 1), node `the_Gelu`: not supported: an operator of a domain that is not \
         known here"
    );
    assert_eq!(
        refusal(&one("Loop", &[])),
        "ONNX operator Loop (ai.onnx version 18), node `the_Loop`: not supported: graphs inside operators"
    );
    assert_eq!(
        refusal(&one("Cast", &[int("to", STRING as i64)])),
        "ONNX operator Cast (ai.onnx version 18), node `the_Cast`: not supported: converting between text and numbers; do \
         it before the model"
    );
    assert_eq!(
        refusal(&one("Cast", &[int("to", FLOAT16 as i64)])),
        "ONNX operator Cast (ai.onnx version 18), node `the_Cast`: not supported: elements of type float16"
    );
    assert_eq!(
        refusal(&one("Not", &[])),
        "ONNX operator Not (ai.onnx version 18), node `the_Not`: not supported: Not does not take F32"
    );
    assert_eq!(
        refusal(&one(
            "Softmax",
            &[Message::default().bytes(1, "axis").varint(20, 1)]
        )),
        "ONNX operator Softmax (ai.onnx version 18), node `the_Softmax`: attribute `axis` has the type 1, expected an integer"
    );
}

#[test]
fn refusals_name_inputs_and_outputs() {
    let identity = [node("Identity", &["X"], &["Y"], &[])];
    assert_eq!(
        refusal(&model(value("X", FLOAT16, &[0, 3]), &identity, &[], "Y")),
        "ONNX input `X`: not supported: elements of type float16"
    );
    assert_eq!(
        refusal(&model(
            value("X", FLOAT, &[0, 3, 224, 224]),
            &identity,
            &[],
            "Y"
        )),
        "ONNX output `Y`: not supported: shape [2, 3, 224, 224] for two rows, expected one row of numbers each"
    );
    assert_eq!(
        refusal(&model(value("X", FLOAT, &[0, 0]), &identity, &[], "Y")),
        "ONNX input `X`: the file does not say how many columns it has; name the features"
    );
    assert_eq!(
        refusal(&model(
            value("X", FLOAT, &[0, 1 << 40]),
            &identity,
            &[],
            "Y"
        )),
        "ONNX input `X`: not supported: 1099511627776 columns, expected 1 to 65536"
    );
    assert_eq!(
        refusal(&model(value("X", STRING, &[0, 1]), &identity, &[], "Y")),
        "ONNX output `Y`: not supported: text without scores, expected numbers"
    );
    assert_eq!(
        refusal(&model(matrix(), &identity, &[], "Z")),
        "ONNX output `Z`: no operator makes it"
    );
    assert_eq!(
        refusal(&model(
            matrix(),
            &[node("Abs", &["W"], &["Y"], &[])],
            &[],
            "Y"
        )),
        "ONNX operator Abs (ai.onnx version 18), node `the_Abs`: it uses `W`, which no input, constant or earlier operator \
         makes"
    );
    assert_eq!(
        refusal(&model(
            matrix(),
            &[identity[0].clone(), identity[0].clone()],
            &[],
            "Y"
        )),
        "ONNX operator Identity (ai.onnx version 18), node `the_Identity`: `Y` is made twice"
    );
    let two_names = ImportOptions {
        feature_names: vec!["a".into(), "b".into()],
        ..ImportOptions::default()
    };
    assert_eq!(
        refusal_with(&model(matrix(), &identity, &[], "Y"), &two_names),
        "ONNX inputs: 2 feature names for 3 features"
    );
    let two_targets = ImportOptions {
        target_names: vec!["a".into(), "b".into()],
        ..ImportOptions::default()
    };
    assert_eq!(
        refusal_with(&model(matrix(), &identity, &[], "Y"), &two_targets),
        "ONNX output `Y`: 2 target names for 3 numbers"
    );
    assert_eq!(
        refusal(&Message::default().varint(1, 8).0),
        "ONNX file: it has no graph"
    );
    assert_eq!(
        refusal(b"hello"),
        "model file: neither ONNX nor LightGBM text nor XGBoost JSON or UBJSON nor CatBoost JSON"
    );
}

#[test]
fn hostile_sizes_are_refused_before_memory_is_spent() {
    let huge = |op: &str, shape: &[i64]| {
        model(
            matrix(),
            &[node(op, &["X", "S"], &["Y"], &[])],
            &[integers("S", shape)],
            "Y",
        )
    };
    let filled = |shape: &[i64]| {
        model(
            matrix(),
            &[node("ConstantOfShape", &["S"], &["Y"], &[])],
            &[integers("S", shape)],
            "Y",
        )
    };
    // An extent that no address has is refused by itself, before the product of all.
    let beyond_addresses = if cfg!(target_pointer_width = "64") {
        "exceeds"
    } else {
        "the extent"
    };
    for (bytes, words) in [
        (filled(&[1 << 30]), "a tensor of shape [1073741824] exceeds"),
        (filled(&[1 << 40]), beyond_addresses),
        (filled(&[1 << 32, 1 << 32]), beyond_addresses),
        (filled(&[1 << 60, 0]), beyond_addresses),
        (filled(&[-1]), "the extent -1"),
        (filled(&[1 << 26]), "elements for two rows"),
        (huge("Expand", &[1 << 20, 1 << 10, 1, 1]), "ONNX output `Y`"),
        (huge("Tile", &[1 << 40, 1 << 40]), "ONNX output `Y`"),
    ] {
        let refusal = match import(&bytes, &ImportOptions::default()) {
            Err(error) => error.to_string(),
            Ok(imported) => {
                let notes = imported.notes.join("; ");
                assert!(
                    notes.contains("no example row could be traced") || notes.contains("neither"),
                    "{notes}"
                );
                continue;
            }
        };
        assert!(refusal.contains(words), "{refusal}");
    }
    let short = Message::default()
        .varint(1, 1 << 30)
        .varint(2, FLOAT)
        .bytes(8, "S");
    assert_eq!(
        refusal(&model(
            matrix(),
            &[node("Add", &["X", "S"], &["Y"], &[])],
            &[short],
            "Y"
        )),
        "ONNX initializer `S`: not supported: 0 elements do not fill the shape [1073741824]"
    );
    let elsewhere = integers("S", &[1]).varint(14, 1);
    assert_eq!(
        refusal(&model(
            matrix(),
            &[node("Add", &["X", "S"], &["Y"], &[])],
            &[elsewhere],
            "Y"
        )),
        "ONNX initializer `S`: not supported: the data lie in another file; save the model with its weights inside"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let mut graph = Message::default();
    for _ in 0..10_000 {
        let attribute = Message::default()
            .bytes(1, "body")
            .bytes(6, &graph)
            .varint(20, 5);
        graph = Message::default().bytes(1, node("Scan", &[], &[], &[attribute]));
        if graph.0.len() > 1 << 20 {
            break;
        }
    }
    let refusal = refusal(&Message::default().varint(1, 8).bytes(7, graph).0);
    assert!(
        refusal.starts_with("ONNX file: damaged protobuf:") && refusal.contains("recursion limit"),
        "{refusal}"
    );
}

fn model_of(bytes: &[u8]) -> Option<Model> {
    let imported = import(bytes, &ImportOptions::default()).ok()?;
    let parts = ModelParts {
        name: "damaged".to_owned(),
        version: "1".to_owned(),
        schema: imported.schema,
        symbols: imported.symbols,
        graph: imported.graph,
        head: imported.head,
        core: imported.core,
        positive: 0,
        explainer: ExplainerSettings::default(),
        background: None,
        reference: None,
        groups: Vec::new(),
        conformity: None,
        card: "{}".to_owned(),
    };
    Model::new(parts).ok()
}

/// Runs the example row, in which every operator takes part; the outcome is of no interest.
fn run(model: &Model) {
    let example = model.example();
    let _ = model.predict(&example);
    if matches!(model.parts().core, Core::Additive { .. }) {
        let _ = model.encode(&example);
    }
}

const FAMILIES: [&str; 10] = [
    "knn_distance",
    "logistic_multinomial",
    "svc_rbf_multi_probability",
    "qda",
    "ada_boost_binary",
    "mlp_tanh_multi",
    "decision_tree_multi",
    "gaussian_process_regressor_rbf",
    "categorical_nb",
    "mlp_scaled_zipmap",
];

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/onnx");
    fs::read(folder.join(name).join("model.onnx")).expect("a fixture")
}

/// Numbers below what is asked, the same on every run.
fn generator() -> impl FnMut(usize) -> usize {
    let mut state = 1u64;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    }
}

/// One to three flipped bits.
fn damage(bytes: &[u8], random: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut damaged = bytes.to_vec();
    for _ in 0..1 + random(3) {
        let at = random(damaged.len());
        damaged[at] ^= 1 << random(8);
    }
    damaged
}

#[test]
fn damaged_files_never_panic() {
    let mut random = generator();
    for bytes in FAMILIES.map(fixture) {
        for _ in 0..40 {
            model_of(&bytes[..random(bytes.len())]);
        }
        for _ in 0..120 {
            if let Some(model) = model_of(&damage(&bytes, &mut random)) {
                run(&model);
            }
        }
    }
}

#[test]
fn damaged_images_never_panic() {
    let mut random = generator();
    for name in FAMILIES {
        let image = model_of(&fixture(name)).expect("a sound model").to_image();
        for _ in 0..40 {
            assert!(
                Model::from_image(&image[..random(image.len())]).is_err(),
                "a truncated image of {name}"
            );
        }
        for _ in 0..300 {
            if let Ok(model) = Model::from_image(&damage(&image, &mut random)) {
                run(&model);
            }
        }
    }
}
