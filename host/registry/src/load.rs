//! Reads a catalog from the database, and refuses one that this program cannot have written.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use hyaline_control::{Alias, AliasName, FunctionName, VersionNumber};
use redb::{ReadTransaction, ReadableTable as _, TableError};

use crate::catalog::Catalog;
use crate::function::{Function, Version};
use crate::record::{
    self, ALIASES, FORMAT, FUNCTIONS, FunctionRecord, META, META_FORMAT, META_GENERATION,
    SUMMARIES, VERSIONS, VersionRecord,
};

/// Why a database is not a catalog.
pub(crate) enum Unreadable {
    /// It is of a later format.
    Newer(u64),
    /// Its records contradict each other, or are no records.
    Wrong(String),
    /// It cannot be read.
    Database(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Unreadable {
    fn from(error: E) -> Self {
        Unreadable::Database(error.into())
    }
}

fn wrong(function: &str, reason: impl Display) -> Unreadable {
    Unreadable::Wrong(format!("its record of the function `{function}`: {reason}"))
}

pub(crate) fn load(transaction: &ReadTransaction) -> Result<Catalog, Unreadable> {
    let mut catalog = Catalog::at(generation(transaction)?);
    let mut functions = functions(transaction)?;
    add_versions(transaction, &mut functions)?;
    add_aliases(transaction, &mut functions)?;
    for function in functions.into_values() {
        if function.generation > catalog.generation() {
            return Err(wrong(
                function.name.as_str(),
                format_args!("it is of generation {}", function.generation),
            ));
        }
        catalog.insert(function);
    }
    Ok(catalog)
}

/// The number of the last change, if the database is a registry of a format that is known.
fn generation(transaction: &ReadTransaction) -> Result<u64, Unreadable> {
    let meta = match transaction.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => {
            return Err(Unreadable::Wrong(
                "it is a database, but not a registry's".into(),
            ));
        }
        other => other?,
    };
    let number = |key: &str| -> Result<u64, Unreadable> {
        let value = meta.get(key)?;
        value
            .map(|value| value.value())
            .ok_or_else(|| Unreadable::Wrong(format!("it does not say its {key}")))
    };
    match number(META_FORMAT)? {
        FORMAT => number(META_GENERATION),
        found if found > FORMAT => Err(Unreadable::Newer(found)),
        found => Err(Unreadable::Wrong(format!("there is no format {found}"))),
    }
}

fn functions(
    transaction: &ReadTransaction,
) -> Result<BTreeMap<FunctionName, Function>, Unreadable> {
    let mut functions = BTreeMap::new();
    for row in transaction.open_table(FUNCTIONS)?.iter()? {
        let (key, value) = row?;
        let text = key.value();
        let name = FunctionName::new(text).map_err(|error| wrong(text, error))?;
        let record: FunctionRecord =
            record::read(value.value()).map_err(|error| wrong(text, error))?;
        let function = Function {
            name: name.clone(),
            enabled: record.enabled,
            settings: Arc::new(record.settings),
            versions: BTreeMap::new(),
            aliases: BTreeMap::new(),
            last: record.last,
            created: record.created,
            changed: record.changed,
            generation: record.generation,
        };
        functions.insert(name, function);
    }
    Ok(functions)
}

fn add_versions(
    transaction: &ReadTransaction,
    functions: &mut BTreeMap<FunctionName, Function>,
) -> Result<(), Unreadable> {
    let summaries = transaction.open_table(SUMMARIES)?;
    let mut summaries = summaries.iter()?;
    for row in transaction.open_table(VERSIONS)?.iter()? {
        let (key, value) = row?;
        let (name, number) = key.value();
        let Some(function) = functions.get_mut(name) else {
            return Err(wrong(name, "it has versions, but is not there"));
        };
        let number = VersionNumber::new(number)
            .filter(|number| function.last >= Some(*number))
            .ok_or_else(|| {
                wrong(
                    name,
                    format_args!("version {number} is later than its last"),
                )
            })?;
        let record: VersionRecord =
            record::read(value.value()).map_err(|error| wrong(name, error))?;
        let summary = match summaries.next().transpose()? {
            Some((other, summary)) if other.value() == key.value() => summary,
            _ => {
                return Err(wrong(
                    name,
                    format_args!("version {number} has no summary, or more than one"),
                ));
            }
        };
        let version = Version {
            number,
            digest: record.digest,
            size: record.size,
            description: record.description,
            created: record.created,
            summary: summary.value().into(),
        };
        function.versions.insert(number, Arc::new(version));
    }
    match summaries.next().transpose()? {
        Some((key, _)) => Err(wrong(
            key.value().0,
            format_args!("version {} has a summary, but is not there", key.value().1),
        )),
        None => Ok(()),
    }
}

fn add_aliases(
    transaction: &ReadTransaction,
    functions: &mut BTreeMap<FunctionName, Function>,
) -> Result<(), Unreadable> {
    for row in transaction.open_table(ALIASES)?.iter()? {
        let (key, value) = row?;
        let (name, alias) = key.value();
        let Some(function) = functions.get_mut(name) else {
            return Err(wrong(name, "it has aliases, but is not there"));
        };
        let alias = AliasName::new(alias).map_err(|error| wrong(name, error))?;
        let leads: Alias = record::read(value.value()).map_err(|error| wrong(name, error))?;
        let known = |version: &VersionNumber| function.versions.contains_key(version);
        let missing = std::iter::once(&leads.traffic)
            .chain(&leads.earlier)
            .find_map(|traffic| traffic.versions().find(|version| !known(version)));
        if let Some(missing) = missing {
            return Err(wrong(
                name,
                format_args!("its alias `{alias}` leads to version {missing}, which is not there"),
            ));
        }
        function.aliases.insert(alias, Arc::new(leads));
    }
    Ok(())
}
