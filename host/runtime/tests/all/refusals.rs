//! What is no function is refused in words.

use std::error::Error as _;

use hyaline_runtime::{Function, LoadError, Policy};

use crate::{engine, guests};

fn refusal(component: &[u8]) -> LoadError {
    Function::load(&engine(), "guest", component, Policy::default())
        .expect_err("the component is refused")
}

#[test]
fn an_import_beyond_the_proxy_world_is_named() {
    let component = guests::component(
        "package hyaline:guests;
         world guest { import host:files/open; export run: func(); }
         package host:files { interface open { open: func(); } }",
        r#"(module (import "host:files/open" "open" (func)) (func (export "run")))"#,
    );
    assert_eq!(
        refusal(&component).to_string(),
        "`guest` imports `host:files/open`, which a function may not have: it gets what wasi:http/proxy 0.2 offers, and \
         no files, sockets or environment; rebuild it without that import"
    );
}

#[test]
fn a_component_without_a_door_is_refused_with_what_it_exports() {
    let component = guests::component(
        "package hyaline:guests; world guest { export run: func(); export stop: func(); }",
        r#"(module (func (export "run")) (func (export "stop")))"#,
    );
    assert_eq!(
        refusal(&component).to_string(),
        "`guest` exports neither `wasi:http/incoming-handler@0.2` nor `hyaline:function/model@0.1.0`, so nothing can \
         call it; it exports: run, stop"
    );
}

#[test]
fn a_door_of_the_wrong_type_is_refused() {
    let component = guests::component(
        "package hyaline:guests;
         world guest { export other:function/model; }
         package other:function { interface model { predict: func(); } }",
        r#"(module (func (export "other:function/model#predict")))"#,
    );
    // The same interface under the name of the typed door.
    let renamed = replace(&component, b"other:function/model", b"hyaline:function/mod");
    assert!(matches!(refusal(&renamed), LoadError::NoDoor { .. }));
}

#[test]
fn a_cut_component_does_not_compile_and_says_why() {
    let component = guests::hello();
    for end in [9, 100, component.len() / 2, component.len() - 1] {
        let error = refusal(&component[..end]);
        match &error {
            LoadError::Compile { .. } => assert!(error.source().is_some()),
            LoadError::Card { .. } => {}
            other => panic!("cut at {end}: {other}"),
        }
    }
}

#[test]
fn a_core_module_is_refused_with_the_remedy() {
    let module = wat::parse_str("(module)").unwrap();
    assert!(
        refusal(&module)
            .to_string()
            .contains("is a core WebAssembly module, not a component")
    );
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    while let Some(at) = bytes.windows(from.len()).position(|window| window == from) {
        bytes[at..at + to.len()].copy_from_slice(to);
    }
    bytes
}
