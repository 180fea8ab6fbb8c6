//! Binding parameters and reading rows, the same for readers and the writer.

use ha_core::{Column, Error, Limits, Params, Result, ResultSet, Value};
use ha_sqlite::{SqlValue, error, value_of};
use rusqlite::Statement;

/// SQLITE_RANGE, for a parameter without a value.
const RANGE: i32 = 25;

/// What is left of a call's limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    limits: Limits,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, bytes: 0 }
    }

    fn spend(&mut self, row: &[Value], rows: usize) -> Result<()> {
        self.bytes += row.iter().map(Value::size).sum::<usize>();
        if self.limits.rows.is_some_and(|limit| rows >= limit) {
            return Err(too_large(
                "the number of rows of the result",
                self.limits.rows,
                "add LIMIT, or raise --max-rows",
            ));
        }
        if self.limits.bytes.is_some_and(|limit| self.bytes > limit) {
            return Err(too_large(
                "the size of the result in bytes",
                self.limits.bytes,
                "add LIMIT, or raise --max-result-bytes",
            ));
        }
        Ok(())
    }
}

fn too_large(what: &str, limit: Option<usize>, hint: &str) -> Error {
    Error::TooLarge {
        what: what.to_owned(),
        limit: limit.unwrap_or_default() as u64,
        hint: hint.to_owned(),
    }
}

/// Binds the values of a string's parameters, one statement after the other.
#[derive(Debug)]
pub(crate) struct Binder<'a> {
    params: &'a Params,
    /// Values by position that earlier statements of the string took.
    taken: usize,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(params: &'a Params) -> Self {
        Self { params, taken: 0 }
    }

    pub(crate) fn bind(&mut self, statement: &mut Statement<'_>) -> Result<()> {
        let count = statement.parameter_count();
        for index in 1..=count {
            let value = self.value(index, statement.parameter_name(index));
            let value = value.ok_or_else(|| self.missing(count))?;
            statement.raw_bind_parameter(index, SqlValue(value)).map_err(error)?;
        }
        self.taken += count;
        Ok(())
    }

    fn value(&self, index: usize, name: Option<&str>) -> Option<&'a Value> {
        let name = name.map(strip);
        match self.params {
            Params::None => None,
            Params::Positional(values) => match name.map(str::parse::<usize>) {
                Some(Ok(number)) => values.get(number.checked_sub(1)?),
                Some(Err(_)) | None => values.get(self.taken + index - 1),
            },
            Params::Named(values) => {
                let number = (self.taken + index).to_string();
                let wanted = name.unwrap_or(&number);
                values.iter().find(|(key, _)| strip(key) == wanted).map(|(_, value)| value)
            }
        }
    }

    fn missing(&self, want: usize) -> Error {
        let got = match self.params {
            Params::None => 0,
            Params::Positional(values) => values.len(),
            Params::Named(values) => values.len(),
        };
        Error::Sql {
            code: RANGE,
            message: format!("not enough args to execute query: want {want} got {got}"),
            offset: None,
        }
    }
}

fn strip(name: &str) -> &str {
    name.strip_prefix([':', '@', '$', '?']).unwrap_or(name)
}

/// Steps through a statement whose parameters are bound.
pub(crate) fn collect(statement: &mut Statement<'_>, budget: &mut Budget) -> Result<ResultSet> {
    let mut result = ResultSet::default();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next().map_err(error)? {
        if result.rows.is_empty() {
            // Only the first step sees that the schema has changed since it was prepared.
            result.columns = columns(row.as_ref());
        }
        let values: Vec<Value> = (0..result.columns.len())
            .map(|index| row.get_ref(index).map(value_of))
            .collect::<rusqlite::Result<_>>()
            .map_err(error)?;
        budget.spend(&values, result.rows.len())?;
        result.rows.push(values);
    }
    drop(rows);
    if result.rows.is_empty() {
        result.columns = columns(statement);
    }
    Ok(result)
}

/// The columns of a statement, without what needs the schema.
pub(crate) fn columns(statement: &Statement<'_>) -> Vec<Column> {
    statement
        .columns()
        .map(|column| Column {
            name: column.name().to_owned(),
            decl_type: column.decl_type().map(str::to_owned),
            origin: None,
        })
        .collect()
}
