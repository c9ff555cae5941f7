//! `hyaline pack`

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hyaline_pack::mlflow;
use hyaline_pack::recipe::{
    Calibration, CalibrationMethod, Data, FILE_NAME, Function, Method, Recipe, Source,
};
use hyaline_pack::report::{MEMORY_LIMIT, Report, SIZE_LIMIT};
use hyaline_pack::{CalibrationCard, Inputs, Packed, ReliabilityCard, UncertaintyCard};

use crate::progress::Progress;
use crate::table::bytes;

/// Everything a recipe can say about the function as a whole can be said by a flag; a flag wins.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A model file (ONNX, LightGBM text, XGBoost JSON or UBJ, CatBoost JSON), an MLflow model folder, a function.toml, or
    /// a folder with one
    input: PathBuf,
    /// Where to write the function; <name>.wasm when absent
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Reference rows, CSV with a header or an .npy file: statistics, background of explanations, golden rows
    #[arg(long, value_name = "CSV")]
    data: Option<PathBuf>,
    /// The column of the data that is the answer; beside an .npy file the .npy file of the answers
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Rows of the data kept in the function, for explanations of the data as a whole; 0 keeps none
    #[arg(long, value_name = "ROWS")]
    reference: Option<usize>,
    /// Rows that did not train the model, CSV with the target: for prediction intervals and sets, and --calibrate
    #[arg(long, value_name = "CSV")]
    calibration: Option<PathBuf>,
    /// Measure prediction intervals or sets on held-out rows; the card says how they are at this coverage
    #[arg(long, value_name = "SHARE", num_args = 0..=1, default_missing_value = "0.9")]
    uncertainty: Option<f64>,
    /// Calibrate probabilities on held-out rows: platt or isotonic
    #[arg(long, value_name = "METHOD", value_parser = calibration)]
    calibrate: Option<CalibrationMethod>,
    /// Name in routes and protocols; the model file's name when absent
    #[arg(long)]
    name: Option<String>,
    /// A line for people
    #[arg(long)]
    title: Option<String>,
    /// What the function decides
    #[arg(long)]
    description: Option<String>,
    /// Version text
    #[arg(long, value_name = "VERSION")]
    function_version: Option<String>,
    /// The label that explanations of a binary classifier speak about
    #[arg(long, value_name = "LABEL")]
    positive: Option<String>,
    /// Names of the classes, in the model's order
    #[arg(long, value_delimiter = ',', value_name = "LABEL,…")]
    labels: Option<Vec<String>>,
    /// Rows of the background
    #[arg(long, value_name = "ROWS")]
    background: Option<usize>,
    /// Rows kept with their expected answers
    #[arg(long, value_name = "ROWS")]
    golden: Option<usize>,
    /// The method of explanations that name none, e.g. path-dependent or permutation
    #[arg(long, value_name = "METHOD", value_parser = method)]
    method: Option<Method>,
    /// Most MiB that tables of the tree methods may take
    #[arg(long, value_name = "MIB")]
    table_mib: Option<u16>,
    /// A figure on held-out data, for the card
    #[arg(long = "metric", value_name = "NAME=NUMBER", value_parser = metric)]
    metrics: Vec<(String, f64)>,
    /// The licence of a part, for the card
    #[arg(long = "licence", value_name = "PART=TEXT", value_parser = pair)]
    licences: Vec<(String, String)>,
    /// Print nothing but errors
    #[arg(short, long)]
    quiet: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

fn metric(text: &str) -> Result<(String, f64), String> {
    let (name, value) = pair(text)?;
    match value.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok((name, value)),
        _ => Err(format!("`{value}` is not a finite number")),
    }
}

fn method(text: &str) -> Result<Method, String> {
    Method::from_name(text).ok_or_else(|| {
        let names = Method::ALL.map(Method::name);
        format!("expected one of {}", names.join(", "))
    })
}

fn calibration(text: &str) -> Result<CalibrationMethod, String> {
    match text {
        "platt" => Ok(CalibrationMethod::Platt),
        "isotonic" => Ok(CalibrationMethod::Isotonic),
        _ => Err("expected platt or isotonic".to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let recipe = recipe(arguments)?;
    let inputs = Inputs::read(&recipe)?;
    let mut progress = Progress::new();
    let packed = hyaline_pack::pack(&recipe, &inputs, &mut |step| progress.step(step));
    drop(progress);
    let Packed {
        component, report, ..
    } = packed.with_context(|| format!("`{}` is not packed", recipe.function.name))?;
    let output = arguments
        .output
        .clone()
        .unwrap_or_else(|| format!("{}.wasm", recipe.function.name).into());
    write(&output, &component)?;
    if !arguments.quiet {
        eprint!("{}", summary(&report, &output));
    }
    Ok(())
}

/// Writes beside the file and renames, so that a reader never sees half a function.
fn write(output: &Path, component: &[u8]) -> Result<()> {
    let refused = || format!("the function cannot be written to {}", output.display());
    if let Some(folder) = output
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).with_context(refused)?;
    }
    let mut partial = output.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    std::fs::write(&partial, component)
        .and_then(|()| std::fs::rename(&partial, output))
        .inspect_err(|_| {
            // What matters is the first failure; the leftover may not even exist.
            let _ = std::fs::remove_file(&partial);
        })
        .with_context(refused)
}

fn recipe(arguments: &Arguments) -> Result<Recipe> {
    let input = &arguments.input;
    let recipe_file = input.join(FILE_NAME);
    let mut recipe = if recipe_file.is_file() {
        Recipe::read(&recipe_file)?
    } else if input.is_dir() && !mlflow::is_model(input) {
        bail!(
            "the folder {} has no {FILE_NAME} and no {}; name the model file, or write a recipe",
            input.display(),
            mlflow::FILE_NAME
        );
    } else if input
        .extension()
        .is_some_and(|extension| extension == "toml")
    {
        Recipe::read(input)?
    } else {
        Recipe {
            function: Function {
                name: default_name(input),
                ..Function::default()
            },
            model: Source {
                path: input.clone(),
                ..Source::default()
            },
            ..Recipe::default()
        }
    };
    override_by(&mut recipe, arguments)?;
    Ok(recipe)
}

/// `model.onnx` says nothing; its folder does.
fn default_name(model: &Path) -> String {
    let stem = model.file_stem().unwrap_or_default().to_string_lossy();
    let folder = || {
        Some(
            model
                .canonicalize()
                .ok()?
                .parent()?
                .file_name()?
                .to_string_lossy()
                .into_owned(),
        )
    };
    let name = match &*stem {
        "model" => folder().unwrap_or_else(|| "model".to_owned()),
        stem => stem.to_owned(),
    };
    name.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .collect()
}

fn override_by(recipe: &mut Recipe, arguments: &Arguments) -> Result<()> {
    fn set<T: Clone>(place: &mut T, flag: &Option<T>) {
        if let Some(value) = flag {
            place.clone_from(value);
        }
    }
    set(&mut recipe.function.name, &arguments.name);
    set(&mut recipe.function.description, &arguments.description);
    for (place, flag) in [
        (&mut recipe.function.title, &arguments.title),
        (&mut recipe.function.version, &arguments.function_version),
        (&mut recipe.model.positive, &arguments.positive),
    ] {
        if flag.is_some() {
            place.clone_from(flag);
        }
    }
    if arguments.labels.is_some() {
        recipe.output.labels.clone_from(&arguments.labels);
    }
    if arguments.method.is_some() {
        recipe.explainer.method = arguments.method;
    }
    if arguments.table_mib.is_some() {
        recipe.explainer.table_mib = arguments.table_mib;
    }
    recipe.metrics.extend(arguments.metrics.iter().cloned());
    recipe.licence.extend(arguments.licences.iter().cloned());
    if let Some(path) = &arguments.data {
        match &mut recipe.data {
            Some(data) => data.path.clone_from(path),
            none => {
                *none = Some(Data::new(path.clone()));
            }
        }
    }
    match &mut recipe.data {
        Some(data) => {
            if arguments.target.is_some() {
                data.target.clone_from(&arguments.target);
            }
            set(&mut data.background, &arguments.background);
            set(&mut data.golden, &arguments.golden);
            set(&mut data.reference, &arguments.reference);
            if arguments.calibration.is_some() {
                data.calibration.clone_from(&arguments.calibration);
            }
            if data.background == 0 {
                bail!("--background is 0; give at least 1 row, or leave --data out");
            }
        }
        None if arguments.target.is_some()
            || arguments.background.is_some()
            || arguments.golden.is_some()
            || arguments.reference.is_some()
            || arguments.calibration.is_some() =>
        {
            bail!(
                "--target, --background, --golden, --reference and --calibration speak about reference data; name it with \
                 --data"
            );
        }
        None => {}
    }
    if let Some(coverage) = arguments.uncertainty {
        recipe.uncertainty.get_or_insert_default().coverage = coverage;
    }
    if let Some(method) = arguments.calibrate {
        recipe.calibration = Some(Calibration { method });
    }
    recipe.check()?;
    if recipe.output.target.is_none() {
        recipe.output.target = recipe.data.as_ref().and_then(|data| data.target.clone());
    }
    Ok(())
}

fn calibrated(card: &CalibrationCard) -> String {
    let after = &card.after;
    let change = |name: &str, before: Option<f64>, after: f64| match before {
        Some(before) => format!("{name} {before:.4} → {after:.4}"),
        None => format!("{name} {after:.4}"),
    };
    let before = |figure: fn(&ReliabilityCard) -> f64| card.before.as_ref().map(figure);
    format!(
        "{} on {}: {}, {}, {}",
        card.method,
        card.source,
        change("Brier", before(|figures| figures.brier), after.brier),
        change(
            "log loss",
            before(|figures| figures.log_loss),
            after.log_loss
        ),
        change(
            "expected calibration error",
            before(|figures| figures.expected_error),
            after.expected_error
        ),
    )
}

fn uncertain(card: &UncertaintyCard) -> String {
    let mut text = format!(
        "{} on {}: {:.4} at coverage {}",
        card.score, card.source, card.threshold, card.coverage
    );
    if let Some(measured) = &card.measured {
        text += &format!(
            "; {:.1} % of {} other rows are inside, at a mean size of {:.3}",
            measured.coverage * 100.0,
            measured.rows,
            measured.size
        );
    }
    text
}

fn summary(report: &Report, output: &Path) -> String {
    let share = |part: u64, whole: u64| part as f64 * 100.0 / whole as f64;
    let total: Duration = report.steps.iter().map(|(_, took)| *took).sum();
    let mut text = format!("{}\n", output.display());
    text += &format!(
        "  size       {} ({:.1} % of the {} that managed platforms allow): engine `{}` {}, model image {}\n",
        bytes(report.component_bytes),
        share(report.component_bytes, SIZE_LIMIT),
        bytes(SIZE_LIMIT),
        report.engine,
        bytes(report.engine_bytes),
        bytes(report.image_bytes)
    );
    text += &format!("  engine     {}: {}\n", report.engine, report.engine_reason);
    text += &format!(
        "  memory     {} at the start of an instance ({:.1} % of {})\n",
        bytes(report.memory_bytes),
        share(report.memory_bytes, MEMORY_LIMIT),
        bytes(MEMORY_LIMIT)
    );
    text += &format!(
        "  explainer  {}: {}\n",
        report.explainer.method, report.explainer.reason
    );
    if let Some(calibration) = &report.calibration {
        text += &format!("  calibrated {}\n", calibrated(calibration));
    }
    if let Some(uncertainty) = &report.uncertainty {
        text += &format!("  uncertain  {}\n", uncertain(uncertainty));
    }
    text += &format!(
        "  proof      {} golden rows: the model, the loaded engine and the function answer alike to the bit\n",
        report.golden_rows
    );
    text += &format!("  time       {:.2} s", total.as_secs_f64());
    for (step, took) in &report.steps {
        text += &format!(
            "{} {step} {:.2}",
            if text.ends_with('s') { ":" } else { "," },
            took.as_secs_f64()
        );
    }
    text.push('\n');
    for note in &report.notes {
        text += &format!("  note       {note}\n");
    }
    if report.component_bytes > SIZE_LIMIT {
        text += "  warning    larger than managed platforms allow; fewer trees or a smaller table budget make it fit\n";
    }
    if report.memory_bytes > MEMORY_LIMIT {
        text += "  warning    needs more memory than managed platforms allow\n";
    }
    text
}
