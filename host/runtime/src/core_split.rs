//! Takes a core module apart into its code and its memory.
//!
//! The code is the module with its memory imported instead of defined and with no data; it is the same for all models of
//! one engine. The memory is a module that defines and exports just that memory, data and all. Instantiating the memory
//! and then the code with it does what instantiating the module does: tables are filled by the code module, data by the
//! memory module, and the start function runs last.
//!
//! A module that this does not hold for is left whole: more than one memory, or an imported, shared or 64-bit one; data
//! that are not placed at a constant address of it; instructions that refer to data segments; types, tags or sections
//! beyond plain functions, tables and globals.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    ConstExpr, DataSection, EntityType, ExportKind, ExportSection, ImportSection, MemorySection,
    MemoryType, Module, ModuleType, RawSection,
};
use wasmparser::{CompositeInnerType, DataKind, ExternalKind, Operator, Parser, Payload, TypeRef};

/// What the code imports its memory from: the instance, and the memory's name in it.
pub(crate) const MEMORY_INSTANCE: &str = "hyaline:memory";
const MEMORY_NAME: &str = "memory";

const IMPORT_SECTION: u8 = 2;

/// A core module in two parts.
pub(crate) struct CoreSplit {
    /// The code; imports its memory.
    pub(crate) code: Vec<u8>,
    /// The type of `code`.
    pub(crate) code_type: ModuleType,
    /// The memory with its data.
    pub(crate) memory: Vec<u8>,
}

/// The parts of `module`; `None` when it has not the shape that can be taken apart, or is not valid.
pub(crate) fn split(module: &[u8]) -> Option<CoreSplit> {
    let mut parts = Parts::default();
    for payload in Parser::new(0).parse_all(module) {
        parts.take(payload.ok()?, module)?;
    }
    parts.finish()
}

/// What has been read of a module so far.
#[derive(Default)]
struct Parts {
    code: Module,
    /// Whether the import section of `code` has been written.
    imported: bool,
    code_type: ModuleType,
    /// Types of functions, tables and globals, by index.
    functions: Vec<u32>,
    tables: Vec<wasmparser::TableType>,
    globals: Vec<wasmparser::GlobalType>,
    memory: Option<wasmparser::MemoryType>,
    counts_data: bool,
    refers_to_data: bool,
    data: DataSection,
}

impl Parts {
    fn take(&mut self, payload: Payload<'_>, module: &[u8]) -> Option<()> {
        let section = payload.as_section();
        if let Some((id, _)) = section
            && id > IMPORT_SECTION
        {
            self.import_memory();
        }
        match payload {
            Payload::Version { .. } | Payload::End(_) => return Some(()),
            Payload::TypeSection(types) => {
                for group in types {
                    self.define_type(&group.ok()?)?;
                }
            }
            Payload::ImportSection(imports) => {
                let mut section = ImportSection::new();
                for import in imports.into_imports() {
                    self.import(&import.ok()?, &mut section)?;
                }
                self.end_imports(section);
                return Some(());
            }
            Payload::FunctionSection(functions) => {
                for function in functions {
                    self.functions.push(function.ok()?);
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    self.tables.push(table.ok()?.ty);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.ok()?;
                    let plain =
                        !memory.memory64 && !memory.shared && memory.page_size_log2.is_none();
                    if !plain || self.memory.replace(memory).is_some() {
                        return None;
                    }
                }
                return Some(());
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    self.globals.push(global.ok()?.ty);
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    self.export(&export.ok()?)?;
                }
            }
            Payload::DataCountSection { .. } => {
                self.counts_data = true;
                return Some(());
            }
            Payload::CodeSectionEntry(body) => {
                // Only a module that counts its data segments before its code may refer to them there.
                if self.counts_data {
                    for operator in body.get_operators_reader().ok()? {
                        self.refers_to_data |= matches!(
                            operator.ok()?,
                            Operator::MemoryInit { .. } | Operator::DataDrop { .. }
                        );
                    }
                }
                return Some(());
            }
            Payload::DataSection(data) => {
                for segment in data {
                    self.place(&segment.ok()?)?;
                }
                return Some(());
            }
            Payload::StartSection { .. }
            | Payload::ElementSection(_)
            | Payload::CodeSectionStart { .. } => {}
            // Names of functions are told in traps; other custom sections are of no use to anybody here.
            Payload::CustomSection(custom) if custom.name() == "name" => {}
            Payload::CustomSection(_) => return Some(()),
            _ => return None,
        }
        let (id, range) = section?;
        self.code.section(&RawSection {
            id,
            data: module.get(range)?,
        });
        Some(())
    }

    /// Repeats a type in the type of the code, under the same index.
    fn define_type(&mut self, group: &wasmparser::RecGroup) -> Option<()> {
        let mut types = group.types();
        let (Some(ty), None) = (types.next(), types.next()) else {
            return None;
        };
        let plain = ty.is_final && ty.supertype_idx.is_none() && !ty.composite_type.shared;
        let CompositeInnerType::Func(function) = &ty.composite_type.inner else {
            return None;
        };
        if !plain || group.is_explicit_rec_group() {
            return None;
        }
        let types = |list: &[wasmparser::ValType]| {
            list.iter()
                .map(|&ty| RoundtripReencoder.val_type(ty).ok())
                .collect::<Option<Vec<_>>>()
        };
        let (parameters, results) = (types(function.params())?, types(function.results())?);
        self.code_type.ty().function(parameters, results);
        Some(())
    }

    fn import(
        &mut self,
        import: &wasmparser::Import<'_>,
        section: &mut ImportSection,
    ) -> Option<()> {
        match import.ty {
            TypeRef::Func(ty) => self.functions.push(ty),
            TypeRef::Table(ty) => self.tables.push(ty),
            TypeRef::Global(ty) => self.globals.push(ty),
            _ => return None,
        }
        if import.module == MEMORY_INSTANCE {
            return None;
        }
        let ty = RoundtripReencoder.entity_type(import.ty).ok()?;
        section.import(import.module, import.name, ty);
        self.code_type.import(import.module, import.name, ty);
        Some(())
    }

    fn import_memory(&mut self) {
        if !self.imported {
            self.end_imports(ImportSection::new());
        }
    }

    fn end_imports(&mut self, mut section: ImportSection) {
        section.import(MEMORY_INSTANCE, MEMORY_NAME, any_memory());
        self.code_type
            .import(MEMORY_INSTANCE, MEMORY_NAME, any_memory());
        self.code.section(&section);
        self.imported = true;
    }

    fn export(&mut self, export: &wasmparser::Export<'_>) -> Option<()> {
        let index = export.index as usize;
        let ty = match export.kind {
            ExternalKind::Func => EntityType::Function(*self.functions.get(index)?),
            ExternalKind::Table => RoundtripReencoder
                .entity_type(TypeRef::Table(*self.tables.get(index)?))
                .ok()?,
            ExternalKind::Global => RoundtripReencoder
                .entity_type(TypeRef::Global(*self.globals.get(index)?))
                .ok()?,
            ExternalKind::Memory => any_memory(),
            _ => return None,
        };
        self.code_type.export(export.name, ty);
        Some(())
    }

    fn place(&mut self, segment: &wasmparser::Data<'_>) -> Option<()> {
        let (memory_index, offset_expr) = match &segment.kind {
            DataKind::Active {
                memory_index,
                offset_expr,
            } => (memory_index, offset_expr),
            // Only instructions that refer to segments reach it, and `finish` sees whether there are any. Snapshots keep
            // empty ones in the place of the segments that were there before.
            DataKind::Passive => return Some(()),
        };
        if *memory_index != 0 {
            return None;
        }
        let mut operators = offset_expr.get_operators_reader();
        let Operator::I32Const { value } = operators.read().ok()? else {
            return None;
        };
        if !matches!(operators.read().ok()?, Operator::End) || !operators.eof() {
            return None;
        }
        self.data.active(
            0,
            &ConstExpr::i32_const(value),
            segment.data.iter().copied(),
        );
        Some(())
    }

    fn finish(self) -> Option<CoreSplit> {
        let memory_type = self.memory?;
        if self.refers_to_data {
            return None;
        }
        let mut memories = MemorySection::new();
        memories.memory(RoundtripReencoder.memory_type(memory_type).ok()?);
        let mut exports = ExportSection::new();
        exports.export(MEMORY_NAME, ExportKind::Memory, 0);
        let mut memory = Module::new();
        memory
            .section(&memories)
            .section(&exports)
            .section(&self.data);
        Some(CoreSplit {
            code: self.code.finish(),
            code_type: self.code_type,
            memory: memory.finish(),
        })
    }
}

/// The memory as the code imports it: of any size, so that the code does not depend on the model's.
fn any_memory() -> EntityType {
    EntityType::Memory(MemoryType {
        minimum: 0,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(wat: &str) -> Option<CoreSplit> {
        let module = wat::parse_str(wat).expect("the module parses");
        wasmparser::validate(&module).expect("the module is valid");
        split(&module)
    }

    fn module(memory: &str, data: &str, body: &str) -> String {
        format!(
            r#"(module
                 (import "host" "call" (func $call (param i32) (result i64)))
                 {memory}
                 (table $t 2 funcref) (elem (i32.const 0) $f)
                 (global $g (mut i32) (i32.const 7))
                 (export "memory" (memory 0)) (export "f" (func $f)) (export "t" (table $t)) (export "g" (global $g))
                 (func $start) (start $start)
                 (func $f (param i32) (result i32) {body} (i32.load (local.get 0)))
                 {data})"#
        )
    }

    #[test]
    fn the_code_does_not_depend_on_size_and_content_of_the_memory() {
        let small = parts(&module("(memory 1)", "", "")).unwrap();
        let large = parts(&module(
            "(memory 20 30)",
            r#"(data (i32.const 8) "data") (data (i32.const 65536) "more")"#,
            "",
        ))
        .unwrap();
        assert_eq!(small.code, large.code);
        assert_ne!(small.memory, large.memory);
        for part in [&small.code, &small.memory, &large.memory] {
            wasmparser::validate(part).expect("the part is valid");
        }
    }

    #[test]
    fn passive_segments_that_nothing_refers_to_are_left_out() {
        let with = parts(&module(
            "(memory 1)",
            r#"(data "") (data (i32.const 8) "x")"#,
            "",
        ))
        .unwrap();
        let without = parts(&module("(memory 1)", r#"(data (i32.const 8) "x")"#, "")).unwrap();
        assert_eq!((with.code, with.memory), (without.code, without.memory));
    }

    #[test]
    fn other_code_is_other_code() {
        let one = parts(&module("(memory 1)", "", "")).unwrap();
        let other = parts(&module("(memory 1)", "", "(nop)")).unwrap();
        assert_ne!(one.code, other.code);
    }

    #[test]
    fn what_cannot_be_taken_apart_is_left_whole() {
        for (why, whole) in [
            ("no memory", "(module)".to_owned()),
            (
                "an imported memory",
                module(r#"(import "host" "memory" (memory 1))"#, "", ""),
            ),
            ("two memories", module("(memory 1) (memory 1)", "", "")),
            ("a shared memory", module("(memory 1 2 shared)", "", "")),
            (
                "a passive segment that the code refers to",
                module(
                    "(memory 1)",
                    r#"(data $d "passive")"#,
                    "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 1))",
                ),
            ),
            (
                "a segment that the code refers to",
                module(
                    "(memory 1)",
                    r#"(data $d (i32.const 0) "active")"#,
                    "(data.drop $d)",
                ),
            ),
            (
                "a name that is taken",
                module(
                    r#"(import "hyaline:memory" "f" (func)) (memory 1)"#,
                    "",
                    "",
                ),
            ),
            (
                "a 64-bit memory",
                r#"(module (memory i64 1) (data (i64.const 0) "x"))"#.to_owned(),
            ),
            (
                "a segment placed by a global",
                r#"(module (import "m" "g" (global $g i32)) (memory 1) (data (global.get $g) "x"))"#
                    .to_owned(),
            ),
        ] {
            let module = wat::parse_str(&whole).expect(why);
            assert!(split(&module).is_none(), "{why}");
        }
    }

    #[test]
    fn no_cut_of_a_module_panics() {
        let whole =
            wat::parse_str(module("(memory 2)", r#"(data (i32.const 8) "data")"#, "")).unwrap();
        for end in 0..whole.len() {
            let _ = split(&whole[..end]);
        }
    }
}
