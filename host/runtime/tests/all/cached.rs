//! Functions are loaded from compiled code alone, and from their component when that is not there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hyaline_runtime::{Engine, EngineConfig, Function, LoadError, Origin, Policy, Summary};

use crate::{get, guests, text};

fn engine(cache: &Path) -> Engine {
    Engine::new(EngineConfig {
        concurrency: 4,
        cache: Some(cache.into()),
        ..EngineConfig::default()
    })
    .expect("an engine starts")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

fn not_asked() -> io::Result<Vec<u8>> {
    panic!("the component is not needed")
}

#[tokio::test]
async fn a_prepared_function_needs_no_component() {
    let cache = tempfile::tempdir().unwrap();
    let component = guests::says("prepared");
    let summary = Function::prepare(&engine(cache.path()), "guest", &component).unwrap();
    assert!(summary.has_http_door() && !summary.has_typed_door());
    assert_eq!(
        (summary.card(), summary.size()),
        (None, component.len() as u64)
    );
    let document = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&document).unwrap(), summary);

    let function = Function::load_cached(
        &engine(cache.path()),
        "guest",
        summary.digest(),
        Policy::default(),
        not_asked,
    )
    .unwrap();
    assert_eq!(function.origin(), Origin::Cached);
    assert_eq!(function.summary(), summary);
    assert_eq!(
        text(get(&function).await.unwrap()).await.unwrap(),
        "prepared"
    );
}

#[tokio::test]
async fn what_is_missing_or_damaged_is_compiled_from_the_component() {
    let cache = tempfile::tempdir().unwrap();
    let component = guests::says("here");
    let summary = Function::prepare(&engine(cache.path()), "guest", &component).unwrap();
    assert_eq!(files(cache.path()).len(), 2);
    let load = || {
        let function = Function::load_cached(
            &engine(cache.path()),
            "guest",
            summary.digest(),
            Policy::default(),
            || Ok(component.clone()),
        );
        function.unwrap().origin()
    };
    for file in files(cache.path()) {
        let sound = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(load(), Origin::Compiled);
        assert_eq!(load(), Origin::Cached);
        fs::write(&file, &sound[..sound.len() / 2]).unwrap();
        assert_eq!(load(), Origin::Compiled);
        assert_eq!(load(), Origin::Cached);
    }
}

#[test]
fn an_engine_that_was_damaged_while_nobody_used_it_is_noticed_by_the_same_process() {
    let cache = tempfile::tempdir().unwrap();
    let engine = engine(cache.path());
    let component = guests::says("here");
    let load = || {
        let function = Function::load(&engine, "guest", &component, Policy::default());
        function.unwrap().origin()
    };
    assert_eq!((load(), load()), (Origin::Compiled, Origin::Cached));
    for file in files(cache.path()) {
        let mut bytes = fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&file, bytes).unwrap();
        assert_eq!((load(), load()), (Origin::Compiled, Origin::Cached));
    }
}

#[test]
fn a_component_that_cannot_be_had_or_is_another_one_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let engine = engine(cache.path());
    let load = |component: io::Result<Vec<u8>>| {
        Function::load_cached(&engine, "guest", [0xab; 32], Policy::default(), || {
            component
        })
        .unwrap_err()
    };
    let error = load(Err(io::ErrorKind::NotFound.into()));
    assert!(matches!(error, LoadError::Unreadable { .. }));
    assert_eq!(
        error.to_string(),
        "`guest` has to be compiled, and its component cannot be read"
    );
    let error = load(Ok(b"other".to_vec())).to_string();
    assert_eq!(
        error,
        format!(
            "`guest` should have the SHA-256 {}, and what was read has \
             d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa; deploy it again",
            "ab".repeat(32)
        )
    );
}

#[test]
fn what_was_refused_once_is_refused_again() {
    let cache = tempfile::tempdir().unwrap();
    let engine = engine(cache.path());
    let component = guests::component(
        "package hyaline:guests; world guest { export run: func(); }",
        r#"(module (memory (export "memory") 1) (func (export "run")))"#,
    );
    for _ in 0..2 {
        let refused = Function::prepare(&engine, "guest", &component).unwrap_err();
        assert!(matches!(refused, LoadError::NoDoor { .. }), "{refused}");
    }
}
