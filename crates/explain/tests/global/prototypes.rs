//! Prototypes and criticisms.

use hyaline_explain::global::prototypes;

use super::packed::{fixture, packed};

fn positions(list: &serde_json::Value) -> Vec<usize> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|position| position.as_u64().expect("a position") as usize)
        .collect()
}

#[test]
fn examples_are_those_of_the_definition() {
    for name in ["wine", "credit"] {
        let packed = packed(name);
        let kept: Vec<usize> = (0..packed.rows.rows().min(1000)).collect();
        let rows = packed.rows.select(&kept);
        let expected = fixture(&format!("global/prototypes_{name}.json"));
        let count = expected["count"].as_u64().expect("a count") as usize;
        let found = prototypes(&packed.model, &rows, count).expect("rows can be compared");
        let classes = expected["classes"].as_array().expect("classes");
        assert_eq!(found.len(), classes.len());
        for (class, (found, expected)) in found.iter().zip(classes).enumerate() {
            assert_eq!(found.class, Some(class));
            assert_eq!(found.rows as u64, expected["rows"], "{name} {class}");
            assert_eq!(
                found.prototypes,
                positions(&expected["prototypes"]),
                "{name} {class}"
            );
            assert_eq!(
                found.criticisms,
                positions(&expected["criticisms"]),
                "{name} {class}"
            );
        }
    }
}

#[test]
fn a_class_of_few_rows_has_few_examples() {
    let packed = packed("wine");
    let rows = packed.rows.select(&[0, 1, 2, 70, 71, 110]);
    let found = prototypes(&packed.model, &rows, 4).expect("rows can be compared");
    for examples in found {
        let shown = examples.prototypes.len() + examples.criticisms.len();
        assert!(shown <= examples.rows, "{examples:?}");
        assert_eq!(examples.prototypes.len(), examples.rows.min(4));
    }
}
