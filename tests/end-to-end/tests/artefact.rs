//! What a packed function is: the same bytes every time, no imports but `wasi:http`'s, and loyal to its own card.

use anyhow::{Result, ensure};
use end_to_end::{NAMES, hyaline, packed, root};
use wasmparser::{Parser, Payload};

/// Instances that `wasi:http/proxy` offers and the engine uses, without their versions.
const IMPORTS: [&str; 4] = [
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
];

#[test]
fn every_function_imports_only_what_wasi_http_needs_and_exports_its_two_doors() -> Result<()> {
    for name in NAMES {
        let bytes = std::fs::read(packed(name))?;
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(&bytes) {
            match payload? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        exports.push(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        for import in &imports {
            let interface = import.split('@').next().unwrap_or_default();
            assert!(IMPORTS.contains(&interface), "{name} imports {import}");
            assert!(
                import.contains("@0.2."),
                "{name} imports {import}, which is not WASI 0.2"
            );
        }
        let http: Vec<_> = exports
            .iter()
            .filter(|export| export.starts_with("wasi:http/"))
            .collect();
        assert_eq!(http.len(), 1, "{name} exports {exports:?}");
        assert!(
            http[0].starts_with("wasi:http/incoming-handler@0.2."),
            "{name} exports {exports:?}"
        );
        assert!(
            exports
                .iter()
                .any(|export| export.starts_with("hyaline:function/model@")),
            "{name} exports {exports:?}"
        );
    }
    Ok(())
}

#[test]
fn packing_again_gives_the_same_bytes() -> Result<()> {
    for name in NAMES {
        let again =
            std::env::temp_dir().join(format!("hyaline-again-{name}-{}.wasm", std::process::id()));
        let done = hyaline()
            .arg("pack")
            .arg(root().join("models").join(name))
            .arg("-o")
            .arg(&again)
            .output()?;
        ensure!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let same = std::fs::read(&again)? == std::fs::read(packed(name))?;
        std::fs::remove_file(&again)?;
        assert!(same, "{name} packs to other bytes the second time");
    }
    Ok(())
}

#[test]
fn every_function_is_verified_by_its_own_golden_rows_and_a_changed_byte_is_noticed() -> Result<()> {
    for name in NAMES {
        let done = hyaline().arg("verify").arg(packed(name)).output()?;
        assert!(
            done.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    let mut bytes = std::fs::read(packed("wine"))?;
    let at = bytes
        .windows(9)
        .rposition(|window| window == b"\"margins\"")
        .map(|at| at + 12);
    ensure!(at.is_some(), "the card holds golden margins");
    let changed = std::env::temp_dir().join(format!("hyaline-changed-{}.wasm", std::process::id()));
    let digit = at.and_then(|at| {
        bytes[at..]
            .iter()
            .position(u8::is_ascii_digit)
            .map(|offset| at + offset)
    });
    let digit = digit.expect("a margin has digits");
    bytes[digit] = if bytes[digit] == b'9' {
        b'1'
    } else {
        bytes[digit] + 1
    };
    std::fs::write(&changed, bytes)?;
    let done = hyaline().arg("verify").arg(&changed).output()?;
    std::fs::remove_file(&changed)?;
    assert_eq!(
        done.status.code(),
        Some(1),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
    Ok(())
}
