//! Takes a function apart into what all models of one engine share and what is the model's own.
//!
//! A packed function is an engine's component whose main core module has a model in its memory. [`split`] turns it into
//! the *engine*, that core module without memory and data, and the *shell*, the same component which imports the engine
//! and brings the memory as a small module of its own. The engine is compiled once for all its models; compiling the
//! shell means compiling trampolines. Instantiating the shell with the engine gives the same instance as the component:
//!
//! - The engine's import takes the place, and so the index, of the main module; the memory's module comes right behind
//!   it and moves later modules up by one.
//! - The memory is instantiated right before the main module and moves later core instances up by one. Only core
//!   instances, aliases and their arguments refer to either; every other section is copied byte for byte.
//!
//! Where something else could refer to a core module (an import, an export, an alias, an argument, a nested component),
//! where there are core types, or where no single main module can be told, the component is left whole.

use wasm_encoder::reencode::{Error, Reencode, ReencodeComponent};
use wasm_encoder::{
    Component, ComponentAliasSection, ComponentImportSection, ComponentTypeRef, CoreTypeSection,
    InstanceSection, ModuleArg, RawSection,
};
use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef as ParsedTypeRef, Instance, Parser, Payload,
};

use crate::core_split::{self, CoreSplit, MEMORY_INSTANCE};

/// The name under which a shell imports its engine.
pub(crate) const ENGINE_IMPORT: &str = "hyaline-engine";

const CORE_MODULE_SECTION: u8 = 1;

/// A component in two parts.
pub(crate) struct Split {
    /// A core module.
    pub(crate) engine: Vec<u8>,
    /// A component that imports the engine as [`ENGINE_IMPORT`].
    pub(crate) shell: Vec<u8>,
}

/// The parts of `component`; `None` when it has not the shape that can be taken apart, or is not valid.
pub(crate) fn split(component: &[u8]) -> Option<Split> {
    let sections = sections(component)?;
    let main = Main::find(component, &sections)?;
    let mut shell = Shell {
        component: Component::new(),
        moves: Moves {
            module: main.module,
            instance: main.instance,
        },
        modules: 0,
    };
    for section in sections {
        shell.copy(component, section, &main.split)?;
    }
    Some(Split {
        engine: main.split.code,
        shell: shell.component.finish(),
    })
}

/// The sections of a component, those of nested ones not opened.
fn sections(component: &[u8]) -> Option<Vec<Payload<'_>>> {
    let mut parser = Parser::new(0);
    let mut rest = component;
    let mut sections = Vec::new();
    while !rest.is_empty() {
        let wasmparser::Chunk::Parsed { consumed, payload } = parser.parse(rest, true).ok()? else {
            return None;
        };
        rest = rest.get(consumed..)?;
        if let Payload::ModuleSection {
            unchecked_range, ..
        }
        | Payload::ComponentSection {
            unchecked_range, ..
        } = &payload
        {
            rest = rest.get(unchecked_range.len()..)?;
        }
        sections.push(payload);
    }
    Some(sections)
}

/// The one core module that can be taken apart, and where it is instantiated.
struct Main {
    module: u32,
    instance: u32,
    split: CoreSplit,
}

impl Main {
    fn find(component: &[u8], sections: &[Payload<'_>]) -> Option<Main> {
        let mut modules = 0;
        let mut instantiated = Vec::new();
        let mut main = None;
        for section in sections {
            match section {
                Payload::ModuleSection {
                    unchecked_range, ..
                } => {
                    let split = core_split::split(component.get(unchecked_range.clone())?);
                    if let Some(split) = split
                        && main.replace((modules, split)).is_some()
                    {
                        return None;
                    }
                    modules += 1;
                }
                Payload::InstanceSection(instances) => {
                    for instance in instances.clone() {
                        instantiated.push(match instance.ok()? {
                            Instance::Instantiate { module_index, .. } => Some(module_index),
                            Instance::FromExports(_) => None,
                        });
                    }
                }
                other => {
                    if may_refer_to_modules(component, other)? {
                        return None;
                    }
                }
            }
        }
        let (module, split) = main?;
        let mut places = (0..)
            .zip(&instantiated)
            .filter(|(_, of)| **of == Some(module));
        let (Some((instance, _)), None) = (places.next(), places.next()) else {
            return None;
        };
        Some(Main {
            module,
            instance,
            split,
        })
    }
}

/// Whether a section other than core modules and core instances could name a core module or a core type, or has the
/// name that the engine is to be imported by. `None`: it is not valid.
fn may_refer_to_modules(component: &[u8], section: &Payload<'_>) -> Option<bool> {
    let module = |kind: ComponentExternalKind| kind == ComponentExternalKind::Module;
    match section {
        Payload::CoreTypeSection(_) => return Some(true),
        Payload::ComponentImportSection(imports) => {
            for import in imports.clone() {
                let import = import.ok()?;
                if import.name.name == ENGINE_IMPORT
                    || matches!(import.ty, ParsedTypeRef::Module(_))
                {
                    return Some(true);
                }
            }
        }
        Payload::ComponentExportSection(exports) => {
            for export in exports.clone() {
                if module(export.ok()?.kind) {
                    return Some(true);
                }
            }
        }
        Payload::ComponentInstanceSection(instances) => {
            for instance in instances.clone() {
                let named = match instance.ok()? {
                    ComponentInstance::Instantiate { args, .. } => {
                        args.iter().any(|arg| module(arg.kind))
                    }
                    ComponentInstance::FromExports(exports) => {
                        exports.iter().any(|export| module(export.kind))
                    }
                };
                if named {
                    return Some(true);
                }
            }
        }
        Payload::ComponentAliasSection(aliases) => {
            for alias in aliases.clone() {
                if is_module_alias(&alias.ok()?) {
                    return Some(true);
                }
            }
        }
        Payload::ComponentSection {
            unchecked_range, ..
        } => {
            let nested = component.get(unchecked_range.clone())?;
            for payload in Parser::new(0).parse_all(nested) {
                if let Payload::ComponentAliasSection(aliases) = payload.ok()? {
                    for alias in aliases {
                        if is_module_alias(&alias.ok()?) {
                            return Some(true);
                        }
                    }
                }
            }
        }
        _ => {}
    }
    Some(false)
}

fn is_module_alias(alias: &ComponentAlias<'_>) -> bool {
    matches!(
        alias,
        ComponentAlias::Outer {
            kind: ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::CoreType,
            ..
        } | ComponentAlias::InstanceExport {
            kind: ComponentExternalKind::Module,
            ..
        }
    )
}

/// The shell while it is written.
struct Shell {
    component: Component,
    moves: Moves,
    /// Core modules of the component passed so far.
    modules: u32,
}

impl Shell {
    fn copy(&mut self, whole: &[u8], section: Payload<'_>, main: &CoreSplit) -> Option<()> {
        let Some((id, range)) = section.as_section() else {
            return Some(());
        };
        match section {
            // The card, the producers, the names: nothing that runs.
            Payload::CustomSection(_) => return Some(()),
            Payload::ModuleSection { .. } => {
                self.modules += 1;
                if self.modules - 1 == self.moves.module {
                    self.import_engine(main);
                    return Some(());
                }
            }
            Payload::InstanceSection(instances) => {
                let mut section = InstanceSection::new();
                for instance in instances {
                    self.instantiate(&mut section, instance.ok()?)?;
                }
                self.component.section(&section);
                return Some(());
            }
            Payload::ComponentAliasSection(aliases) => {
                let mut section = ComponentAliasSection::new();
                for alias in aliases {
                    section.alias(self.moves.component_alias(alias.ok()?).ok()?);
                }
                self.component.section(&section);
                return Some(());
            }
            _ => {}
        }
        self.component.section(&RawSection {
            id,
            data: whole.get(range)?,
        });
        Some(())
    }

    fn import_engine(&mut self, main: &CoreSplit) {
        let mut types = CoreTypeSection::new();
        types.ty().module(&main.code_type);
        let mut imports = ComponentImportSection::new();
        imports.import(ENGINE_IMPORT, ComponentTypeRef::Module(0));
        self.component
            .section(&types)
            .section(&imports)
            .section(&RawSection {
                id: CORE_MODULE_SECTION,
                data: &main.memory,
            });
    }

    fn instantiate(&mut self, section: &mut InstanceSection, instance: Instance<'_>) -> Option<()> {
        match instance {
            Instance::Instantiate { module_index, args } if module_index == self.moves.module => {
                section.instantiate(module_index + 1, [] as [(&str, ModuleArg); 0]);
                let memory = (MEMORY_INSTANCE, self.moves.instance);
                let moved = args
                    .iter()
                    .map(|arg| (arg.name, self.moves.instance_index(arg.index)));
                let args: Vec<_> = moved
                    .chain([memory])
                    .map(|(name, instance)| (name, ModuleArg::Instance(instance)))
                    .collect();
                section.instantiate(module_index, args);
                Some(())
            }
            other => self.moves.parse_instance(section, other).ok(),
        }
    }
}

/// How indices move: past the memory's module, which comes after the main module, and past its instance, which comes
/// before the main one. Nobody has checked the indices yet; one at the end of its range refers to nothing and stays.
struct Moves {
    module: u32,
    instance: u32,
}

impl Reencode for Moves {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for Moves {
    fn module_index(&mut self, module: u32) -> u32 {
        module.saturating_add(u32::from(module > self.module))
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        instance.saturating_add(u32::from(instance >= self.instance))
    }

    fn outer_component_type_index(&mut self, _count: u32, ty: u32) -> u32 {
        ty
    }

    fn outer_type_index(&mut self, _count: u32, ty: u32) -> Result<u32, Error<Self::Error>> {
        Ok(ty)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = r#"(core module $main
        (import "host" "f" (func $f (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "model")
        (func (export "run") (result i32) (call $f)))"#;
    const HOST: &str = r#"(core module $host (func (export "f") (result i32) (i32.const 7)))"#;

    fn component(text: &str) -> Vec<u8> {
        let component = wat::parse_str(format!("(component {text})")).expect("it parses");
        wasmparser::validate(&component).expect("it is valid");
        component
    }

    /// Modules before and behind the main one, instances before and behind its instance, and aliases of both.
    fn surrounded() -> Vec<u8> {
        component(&format!(
            r#"{HOST} {MAIN}
               (core module $last (import "host" "run" (func $run (result i32)))
                 (func (export "again") (result i32) (call $run)))
               (core instance $host (instantiate $host))
               (core instance $main (instantiate $main (with "host" (instance $host))))
               (core instance $last (instantiate $last (with "host" (instance $main))))
               (alias core export $host "f" (core func $f))
               (alias core export $last "again" (core func $again))
               (func (export "f") (result u32) (canon lift (core func $f)))
               (func (export "again") (result u32) (canon lift (core func $again)))"#
        ))
    }

    #[test]
    fn the_shell_is_a_valid_component_around_the_engine() {
        let parts = split(&surrounded()).unwrap();
        wasmparser::validate(&parts.shell).expect("the shell is valid");
        wasmparser::validate(&parts.engine).expect("the engine is valid");
        let names = Parser::new(0)
            .parse_all(&parts.shell)
            .filter_map(|payload| match payload.unwrap() {
                Payload::ComponentImportSection(imports) => Some(imports),
                _ => None,
            })
            .flatten()
            .map(|import| import.unwrap().name.name.to_owned())
            .collect::<Vec<_>>();
        assert_eq!(names, [ENGINE_IMPORT]);
    }

    #[test]
    fn what_cannot_be_taken_apart_is_left_whole() {
        let instances = r#"(core instance $host (instantiate $host))
             (core instance $main (instantiate $main (with "host" (instance $host))))"#;
        for (why, text) in [
            ("no module", String::new()),
            ("no module with a memory", HOST.to_owned()),
            ("a main module that nobody instantiates", MAIN.to_owned()),
            (
                "a main module that is instantiated twice",
                format!(
                    r#"{HOST} {MAIN} {instances}
                       (core instance (instantiate $main (with "host" (instance $host))))"#
                ),
            ),
            (
                "two main modules",
                format!(
                    r#"{HOST} {MAIN} (core module $other (memory 1)) {instances}
                       (core instance (instantiate $other))"#
                ),
            ),
            (
                "a module that is exported",
                format!(r#"{HOST} {MAIN} {instances} (export "m" (core module $main))"#),
            ),
            (
                "a module that is imported",
                format!(r#"(import "m" (core module)) {HOST} {MAIN} {instances}"#),
            ),
            (
                "a core type",
                format!("(core type (func)) {HOST} {MAIN} {instances}"),
            ),
            (
                "a nested component with a module from outside",
                format!(
                    "{HOST} {MAIN} {instances} (component (alias outer 1 $host (core module $h)))"
                ),
            ),
            (
                "a name that is taken",
                format!(r#"(import "hyaline-engine" (func)) {HOST} {MAIN} {instances}"#),
            ),
        ] {
            assert!(split(&component(&text)).is_none(), "{why}");
        }
    }

    #[test]
    fn an_index_that_refers_to_nothing_does_not_panic() {
        let text = format!(
            r#"(component {HOST} {MAIN}
               (core instance $main (instantiate $main (with "host" (instance 4294967295))))
               (alias core export 4294967295 "f" (core func $f)))"#
        );
        let component = wat::parse_str(text).expect("it parses");
        assert!(wasmparser::validate(&component).is_err());
        let shell = split(&component).expect("it is taken apart").shell;
        assert!(wasmparser::validate(&shell).is_err());
    }

    #[test]
    fn no_cut_of_a_component_panics() {
        let whole = surrounded();
        for end in 0..whole.len() {
            let _ = split(&whole[..end]);
        }
    }
}
