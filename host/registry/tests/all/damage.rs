//! Directories that cannot be used, and files that are not as they were left: refused in clear words, or mended.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::{check, deploy};
use hyaline_registry::{OpenError, Promote, Registry, StoreError};
use redb::TableDefinition;

fn refusal(directory: &Path) -> OpenError {
    match crate::opened(directory) {
        Ok(_) => panic!("`{}` was opened", directory.display()),
        Err(error) => error,
    }
}

/// A directory with three functions, closed.
fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let registry = crate::reopened(directory.path());
    for function in ["a", "b", "c"] {
        deploy(&registry, function, function.as_bytes(), Promote::Live);
    }
    directory
}

#[test]
fn a_second_host_is_refused_and_told_who_has_the_directory() {
    let directory = filled();
    let first = crate::reopened(directory.path());
    let path = directory.path().canonicalize().unwrap();
    assert_eq!(
        refusal(directory.path()).to_string(),
        format!(
            "`{}` is in use by another host (process {}); stop that one, or give this one a directory of its own",
            path.display(),
            std::process::id()
        )
    );
    let clone = first.clone();
    drop(first);
    refusal(directory.path());
    drop(clone);
    check(&crate::reopened(directory.path()));
}

#[test]
fn of_many_who_open_at_once_one_gets_the_directory() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let barrier = std::sync::Barrier::new(6);
        let opened = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                Registry::open(directory.path())
            };
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            let outcomes = threads.into_iter().map(|thread| thread.join().unwrap());
            outcomes.collect::<Vec<_>>()
        });
        let refused = opened.iter().filter_map(|outcome| outcome.as_ref().err());
        assert!(
            refused
                .clone()
                .all(|error| matches!(error, OpenError::InUse { .. }))
        );
        assert_eq!(refused.count(), 5);
    }
}

#[test]
fn a_crash_leaves_no_half_written_components() {
    let directory = filled();
    fs::write(directory.path().join("partial/7"), b"half of a compo").unwrap();
    let registry = crate::reopened(directory.path());
    assert!(!directory.path().join("partial/7").exists());
    check(&registry);
}

#[test]
fn a_component_with_wrong_bytes_is_refused_and_mended_by_another_deployment() {
    let directory = filled();
    let registry = crate::reopened(directory.path());
    let component = registry.put_component(b"a").unwrap();
    let path = registry.component_path(component.digest());
    for damage in [&b"x"[..], b"", b"ab"] {
        fs::write(&path, damage).unwrap();
        let error = registry.component(component.digest()).unwrap_err();
        let StoreError::Damaged { found, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(
            error.to_string(),
            format!(
                "the component `{}` is damaged: its bytes have the digest {found}; deploy the same component again, \
                 which replaces the file",
                path.display()
            )
        );
        registry.put_component(b"a").unwrap();
        assert_eq!(registry.component(component.digest()).unwrap(), b"a");
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(
        registry
            .component(component.digest())
            .unwrap_err()
            .to_string(),
        format!(
            "there is no component {} here; deploy it again",
            component.digest()
        )
    );
}

#[test]
fn a_damaged_database_is_refused() {
    let directory = filled();
    let path = directory.path().join("state.redb");
    let sound = fs::read(&path).unwrap();
    let damaged = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = refusal(directory.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        error.to_string()
    };
    assert!(damaged(b"").contains(
        "state.redb` is damaged: the file is empty; put back a copy of it, or move it away"
    ));
    damaged(b"hello");
    damaged(&vec![0; sound.len()]);
    fs::write(&path, &sound).unwrap();
    check(&crate::reopened(directory.path()));
}

#[test]
fn no_altered_or_shortened_database_is_believed() {
    let directory = filled();
    let path = directory.path().join("state.redb");
    let truth = crate::reopened(directory.path()).catalog();
    let sound = fs::read(&path).unwrap();
    let mut refused = 0;
    let mut try_out = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        match crate::opened(directory.path()) {
            Ok(registry) => {
                let catalog = registry.catalog();
                assert!(truth.functions().eq(catalog.functions()));
            }
            Err(OpenError::Damaged { .. }) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    };
    for place in (0..sound.len()).step_by(509) {
        let mut bytes = sound.clone();
        bytes[place] ^= 0x55;
        try_out(&bytes);
    }
    for length in (1..sound.len()).step_by(4099) {
        try_out(&sound[..length]);
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_later_format_is_refused() {
    let directory = filled();
    let path = directory.path().canonicalize().unwrap().join("state.redb");
    let meta: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
    let database = redb::Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction
        .open_table(meta)
        .unwrap()
        .insert("format", 2)
        .unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(
        refusal(directory.path()).to_string(),
        format!(
            "`{}` is of format 2, and this version reads format 1; use the version of Hyaline that wrote it, or a later one",
            path.display()
        )
    );
}

#[test]
fn records_that_contradict_each_other_are_refused() {
    let functions: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("functions");
    let directory = filled();
    let path = directory.path().join("state.redb");
    for (record, reason) in [
        (
            None,
            "its record of the function `b`: it has versions, but is not there",
        ),
        (
            Some(&b"{}"[..]),
            "its record of the function `b`: missing field `enabled` at line 1 column 2",
        ),
    ] {
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        {
            let mut table = transaction.open_table(functions).unwrap();
            match record {
                None => table.remove("b").unwrap(),
                Some(record) => table.insert("b", record).unwrap(),
            };
        }
        transaction.commit().unwrap();
        drop(database);
        let error = refusal(directory.path()).to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn only_the_owner_sees_a_registry() {
    let above = tempfile::tempdir().unwrap();
    let directory = above.path().join("data/registry");
    let registry = crate::reopened(&directory);
    deploy(&registry, "a", b"a", Promote::Live);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for folder in ["", "blobs", "blobs/sha256", "partial"] {
        assert_eq!(mode(&directory.join(folder)), 0o700, "{folder}");
    }
    let component = registry.put_component(b"a").unwrap();
    let blob = registry.component_path(component.digest());
    for file in [
        &directory.join("state.redb"),
        &directory.join("lock"),
        &blob,
    ] {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[test]
fn a_file_where_the_directory_should_be_is_refused() {
    let above = tempfile::tempdir().unwrap();
    let file = above.path().join("file");
    fs::write(&file, b"").unwrap();
    assert_eq!(
        refusal(&file).to_string(),
        format!(
            "cannot use `{}`: there is a file where a folder should be; choose another directory",
            file.display()
        )
    );
    let below = refusal(&file.join("below"));
    assert!(
        below.to_string().ends_with("choose another directory"),
        "{below}"
    );
}
