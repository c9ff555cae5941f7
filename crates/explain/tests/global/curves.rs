//! Partial dependence, individual curves and accumulated local effects.

use hyaline_explain::global::{
    Dependence, DependenceKind, DependenceRequest, dependence, dependence_at,
};
use hyaline_explain::{OutputSpace, Predict};
use hyaline_model::{Column, FeatureKind};
use serde_json::Value;

use super::packed::{Packed, fixture, numbers, packed};

fn request(packed: &Packed, feature: &str, kind: DependenceKind) -> DependenceRequest {
    DependenceRequest {
        feature: packed
            .model
            .schema()
            .position(feature)
            .expect("a known feature"),
        kind,
        points: 20,
        curves: 50,
        space: OutputSpace::Probability,
    }
}

fn column(packed: &Packed, grid: &Value) -> Column {
    match grid.as_array().and_then(|grid| grid.first()) {
        Some(Value::String(_)) => {
            let texts = grid
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str);
            Column::Symbols(
                texts
                    .map(|text| packed.model.symbols().symbol(text))
                    .collect(),
            )
        }
        _ => Column::Numbers(numbers(grid)),
    }
}

/// The values of each output along the curve.
fn by_output(found: &Dependence, curve: usize) -> Vec<Vec<f64>> {
    let width = found.grid.len() * found.outputs;
    let curve = &found.values[curve * width..][..width];
    (0..found.outputs)
        .map(|output| {
            curve
                .iter()
                .copied()
                .skip(output)
                .step_by(found.outputs)
                .collect()
        })
        .collect()
}

/// ONNX Runtime answers in single precision.
fn assert_near(place: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{place}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < 3e-6,
            "{place}: {found} {expected}"
        );
    }
}

#[test]
fn curves_are_those_of_scikit_learn_and_alibi() {
    let mut effects = 0;
    for name in ["credit", "breast-cancer", "wine"] {
        let packed = packed(name);
        let expected = fixture(&format!("local/curves_{name}.json"));
        let curves = expected["curves"].as_object().expect("curves by feature");
        for (feature, expected) in curves {
            let place = format!("{name} {feature}");
            let partial = &expected["dependence"];
            let ask = |kind, grid: &Value| {
                let request = request(&packed, feature, kind);
                dependence_at(&packed.model, &packed.rows, request, column(&packed, grid))
                    .expect("a curve")
            };
            let found = ask(DependenceKind::Partial, &partial["grid"]);
            let averages = partial["average"].as_array().expect("one per class");
            for (found, expected) in by_output(&found, 0).iter().zip(averages) {
                assert_near(&place, found, &numbers(expected));
            }
            let rows = partial["individual"].as_array().expect("rows");
            let mut all = request(&packed, feature, DependenceKind::Individual);
            all.curves = packed.rows.rows();
            let grid = column(&packed, &partial["grid"]);
            let found =
                dependence_at(&packed.model, &packed.rows, all, grid).expect("curves of rows");
            assert_eq!(found.rows[..3], [0, 1, 2]);
            for (row, expected) in rows.iter().enumerate() {
                let expected = expected.as_array().expect("one per class");
                for (found, expected) in by_output(&found, row).iter().zip(expected) {
                    assert_near(&place, found, &numbers(expected));
                }
            }
            if expected["ale"].is_null() {
                continue;
            }
            let found = ask(DependenceKind::Accumulated, &expected["ale"]["edges"]);
            let values = expected["ale"]["values"].as_array().expect("one per edge");
            let values: Vec<f64> = values.iter().flat_map(numbers).collect();
            assert_near(&place, &found.values, &values);
            if let [constant] = numbers(&expected["ale"]["constant"])[..] {
                // Of several outputs alibi has the mean over all of them.
                let mean = found.mean.iter().sum::<f64>() / found.outputs as f64;
                assert_near(&place, &[mean], &[constant]);
            }
            assert_eq!(found.counts.iter().sum::<usize>(), packed.rows.rows());
            effects += 1;
        }
    }
    assert!(effects >= 9, "{effects} accumulated effects were compared");
}

#[test]
fn a_partial_dependence_is_the_mean_of_the_individual_curves() {
    let packed = packed("credit");
    let curves = |kind, curves| {
        let request = DependenceRequest {
            curves,
            ..request(&packed, "purpose", kind)
        };
        dependence(&packed.model, packed.model.symbols(), &packed.rows, request).expect("a curve")
    };
    let partial = curves(DependenceKind::Partial, 0);
    let individual = curves(DependenceKind::Individual, usize::MAX);
    assert_eq!(partial.grid, individual.grid);
    assert_eq!(individual.rows.len(), packed.rows.rows());
    let FeatureKind::Category(known) =
        &packed.model.schema().features()[partial.request.feature].kind
    else {
        panic!("purpose is a category");
    };
    assert_eq!(partial.grid.len(), known.values.len());
    for (point, value) in partial.values.iter().enumerate() {
        let at_point = individual
            .values
            .iter()
            .skip(point)
            .step_by(partial.grid.len());
        let mean = at_point.sum::<f64>() / packed.rows.rows() as f64;
        assert!((mean - value).abs() < 1e-12);
    }
}

#[test]
fn the_effects_of_a_sum_are_its_terms() {
    // Accumulated effects of an additive margin are the term itself, centred.
    let packed = packed("wine");
    let linear = matches!(
        packed.model.core_op(),
        Some(hyaline_model::graph::Op::Linear(_))
    );
    assert!(linear, "the wine model is a linear one");
    let request = DependenceRequest {
        space: OutputSpace::Margin,
        ..request(&packed, "proline", DependenceKind::Accumulated)
    };
    let found = dependence(&packed.model, packed.model.symbols(), &packed.rows, request)
        .expect("an effect");
    let (Column::Numbers(grid), Column::Numbers(values)) =
        (&found.grid, &packed.rows.columns()[request.feature])
    else {
        panic!("proline is a number");
    };
    assert_eq!(grid.len(), 20);
    let slopes = |from: usize, to: usize| {
        let rise = found.values[to * 3] - found.values[from * 3];
        rise / (grid[to] - grid[from])
    };
    for point in 1..grid.len() {
        let (local, whole) = (slopes(point - 1, point), slopes(0, grid.len() - 1));
        assert!(
            (local - whole).abs() < 1e-5 * whole.abs(),
            "{local} {whole}"
        );
    }
    let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(grid[0], smallest);
}

#[test]
fn curves_without_order_or_margin_are_refused() {
    let packed = packed("credit");
    let refused = |feature, kind, space| {
        let request = DependenceRequest {
            space,
            ..request(&packed, feature, kind)
        };
        dependence(&packed.model, packed.model.symbols(), &packed.rows, request)
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    assert_eq!(
        refused("purpose", DependenceKind::Accumulated, OutputSpace::Probability),
        Err("feature `purpose` is a category and has no order to accumulate in; ask for kind=partial".to_owned())
    );
    assert_eq!(
        refused("age", DependenceKind::Accumulated, OutputSpace::Margin),
        Ok(())
    );
    assert_eq!(Predict::labels(&packed.model).len(), 2);
}
