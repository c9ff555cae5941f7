//! Explanations with figures of their quality.

use hyaline_explain::Explanations;
use hyaline_explain::quality::{CheckOptions, Quality};

use super::explanation::{explained_names, write_explanation_members};
use crate::Function;
use crate::json::JsonWriter;
use crate::rows::Rows;

/// `"explanations": [{…, "quality": {…}}, …]`, one object per row; `options` are those of the figures.
pub(crate) fn write_checked_explanations(
    json: &mut JsonWriter,
    function: &Function,
    rows: &Rows,
    explanations: &Explanations,
    (qualities, options): (&[Quality], CheckOptions),
    top: Option<usize>,
) {
    let names = explained_names(function.model(), explanations.outputs, explanations.space);
    json.key("explanations").begin_array();
    for (row, quality) in qualities.iter().enumerate() {
        json.begin_object();
        write_explanation_members(json, function, rows, explanations, row, top);
        json.key("quality").begin_object();
        if let Some(name) = names.get(quality.output) {
            json.key("output").text(name);
        }
        write_figures(json, quality);
        json.key("subsets").integer(options.subsets as u64);
        json.key("neighbours").integer(options.neighbours as u64);
        json.key("radius").number(options.radius);
        json.key("seed").integer(options.seed);
        json.end_object();
        json.end_object();
    }
    json.end_array();
}

fn write_figures(json: &mut JsonWriter, quality: &Quality) {
    json.key("deletion").number(quality.curves.deletion);
    json.key("insertion").number(quality.curves.insertion);
    write_known(
        json,
        "faithfulness_correlation",
        quality.faithfulness.correlation,
    );
    json.key("infidelity")
        .number(quality.faithfulness.infidelity);
    let stability = quality.stability;
    write_known(
        json,
        "max_sensitivity",
        stability.map(|found| found.max_sensitivity),
    );
    write_known(
        json,
        "local_lipschitz",
        stability.map(|found| found.local_lipschitz),
    );
    json.key("sparseness").number(quality.sparseness);
    json.key("complexity").number(quality.complexity);
    json.key("agreement");
    match &quality.agreement {
        None => {
            json.null();
        }
        Some(agreement) => {
            json.begin_object();
            json.key("method").text(agreement.method.name());
            json.key("relative_error").number(agreement.relative_error);
            write_known(json, "rank_correlation", agreement.rank);
            json.key("sign_agreement").number(agreement.sign);
            json.end_object();
        }
    }
}

fn write_known(json: &mut JsonWriter, key: &str, value: Option<f64>) {
    json.key(key);
    match value {
        Some(value) => json.number(value),
        None => json.null(),
    };
}
