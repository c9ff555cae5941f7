//! Functions with the same code share it, and answer as if each had its own.

use std::fs;
use std::path::Path;

use hyaline_runtime::model::Column;
use hyaline_runtime::{Engine, EngineConfig, Failure, Function, Limits, Origin, Policy};

use crate::{get, guests, load_in, post, text};

fn engine(cache: Option<&Path>, share_code: bool) -> Engine {
    Engine::new(EngineConfig {
        concurrency: 8,
        cache: cache.map(Into::into),
        share_code,
        ..EngineConfig::default()
    })
    .expect("an engine starts")
}

fn artefacts(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[tokio::test]
async fn functions_that_differ_in_their_data_have_one_code() {
    let cache = tempfile::tempdir().unwrap();
    let engine = engine(Some(cache.path()), true);
    let words = ["one", "two", "three", "a longer one than the others"];
    let functions: Vec<Function> = words
        .iter()
        .map(|word| load_in(&engine, &guests::says(word), Limits::default()))
        .collect();
    for (function, word) in functions.iter().zip(words) {
        let summary = function.summary();
        assert!(summary.engine().is_some());
        assert_eq!(summary.engine(), functions[0].summary().engine());
        assert_eq!(text(get(function).await.unwrap()).await.unwrap(), word);
    }
    assert_eq!(artefacts(cache.path()), words.len() + 1);
}

#[tokio::test]
async fn a_function_answers_alike_whole_and_in_parts() {
    let (whole, parts) = (engine(None, false), engine(None, true));
    for component in [guests::hello(), guests::echo(), guests::says("said")] {
        let mut answers = Vec::new();
        for (engine, shares) in [(&whole, false), (&parts, true)] {
            let function = load_in(engine, &component, Limits::default());
            assert_eq!(function.summary().engine().is_some(), shares);
            let response = post(&function, "a row").await.unwrap();
            let head = format!("{:?} {:?}", response.status(), response.headers());
            answers.push((head, text(response).await.unwrap()));
        }
        assert_eq!(answers[0], answers[1]);
    }
    let typed = guests::typed("(call $first_number (local.get $columns))");
    let predict =
        |engine| load_in(engine, &typed, Limits::default()).predict(&[Column::Numbers(vec![0.1])]);
    assert_eq!(predict(&whole), predict(&parts));
}

/// Packed functions, where somebody has packed some: the same answers, to the byte.
#[tokio::test]
async fn packed_functions_answer_alike_whole_and_in_parts() {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/functions");
    let (whole, parts) = (engine(None, false), engine(None, true));
    for entry in fs::read_dir(packed).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "wasm") {
            continue;
        }
        let component = fs::read(&path).unwrap();
        let load = |engine| load_in(engine, &component, Limits::default());
        let (whole, parts) = (load(&whole), load(&parts));
        assert!(parts.summary().engine().is_some(), "{}", path.display());
        for uri in ["/card", "/schema", "/openapi.json", "/", "/nowhere"] {
            let mut answers = Vec::new();
            for function in [&whole, &parts] {
                let request = http::Request::get(uri)
                    .body(http_body_util::Empty::<bytes::Bytes>::new())
                    .unwrap();
                let response = function.handle(request).await.unwrap();
                let head = format!("{:?} {:?}", response.status(), response.headers());
                answers.push((head, text(response).await.unwrap()));
            }
            assert_eq!(answers[0], answers[1], "{} {uri}", path.display());
        }
    }
}

#[tokio::test]
async fn limits_hold_in_parts_as_they_do_whole() {
    let grows = guests::http("(loop $again (drop (memory.grow (i32.const 1))) (br $again))");
    let limits = Limits {
        memory: 1 << 20,
        ..Limits::default()
    };
    for share in [false, true] {
        let function = load_in(&engine(None, share), &grows, limits.clone());
        assert_eq!(
            get(&function).await.err().unwrap(),
            Failure::Memory {
                asked: 17 << 16,
                limit: 1 << 20
            }
        );
    }
}

#[tokio::test]
async fn a_component_of_another_shape_is_compiled_whole() {
    // A passive data segment belongs to the code, whatever memory it ends up in.
    let frame = include_str!("../guests/http.wat").replace(
        "(data (i32.const 1040) \": \")",
        "(data $later \"passive\") (func (export \"other\") (memory.init $later (i32.const 0) (i32.const 0) (i32.const 7)))",
    );
    let component = guests::http_frame(
        &frame,
        "(call $begin (local.get $out) (i32.const 200))
         (call $write (i32.const 1024) (i32.const 6))
         (call $end)",
    );
    let function = load_in(&engine(None, true), &component, Limits::default());
    assert_eq!(function.summary().engine(), None);
    assert_eq!(
        text(get(&function).await.unwrap()).await.unwrap(),
        "hello\n"
    );
}

#[tokio::test]
async fn code_is_shared_with_what_is_on_disk_after_a_restart() {
    let cache = tempfile::tempdir().unwrap();
    let load = |word: &str| {
        let engine = engine(Some(cache.path()), true);
        Function::load(&engine, "guest", &guests::says(word), Policy::default()).unwrap()
    };
    assert_eq!(load("one").origin(), Origin::Compiled);
    assert_eq!(load("two").origin(), Origin::Compiled);
    assert_eq!(artefacts(cache.path()), 3);
    let two = load("two");
    assert_eq!(two.origin(), Origin::Cached);
    assert_eq!(text(get(&two).await.unwrap()).await.unwrap(), "two");
}

/// Memory maps of this process whose file is in `directory`.
#[cfg(target_os = "linux")]
fn maps(directory: &Path) -> usize {
    let directory = directory.to_str().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(directory)).count()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_function_that_is_dropped_leaves_nothing_mapped() {
    let cache = tempfile::tempdir().unwrap();
    let engine = engine(Some(cache.path()), true);
    let words: Vec<String> = (0..200)
        .map(|number| format!("function {number}"))
        .collect();
    for round in 0..2 {
        let mut functions = Vec::new();
        for word in &words {
            let function = load_in(&engine, &guests::says(word), Limits::default());
            // Called, so that slots of the pool have its image.
            assert_eq!(&text(get(&function).await.unwrap()).await.unwrap(), word);
            functions.push(function);
        }
        let one = maps(cache.path());
        assert!(one >= words.len(), "round {round}: {one}");
        let first = functions.swap_remove(0);
        drop(functions);
        let left = maps(cache.path());
        assert!(left < 12, "round {round}: {left} maps for one function");
        assert_eq!(text(get(&first).await.unwrap()).await.unwrap(), words[0]);
        drop(first);
        assert_eq!(maps(cache.path()), 0, "round {round}");
    }
}
