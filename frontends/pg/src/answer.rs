use bytes::BytesMut;
use ha_core::{Column, Value};
use pgwire::api::Type;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{DataRow, FieldDescription, RowDescription};

use crate::dialect::Verb;
use crate::error::{Failure, Outcome};
use crate::types::{self, Format, Scope};

/// A column of a result, as the client is told.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) ty: Type,
    modifier: i32,
}

/// What a statement gave.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Empty for a statement that returns no rows by its nature.
    pub(crate) fields: Vec<Field>,
    pub(crate) rows: Vec<Vec<Value>>,
    pub(crate) tag: Tag,
}

/// What a client is told when a statement is complete.
#[derive(Debug, Clone)]
pub(crate) enum Tag {
    /// This.
    Fixed(String),
    /// The verb with the number of rows that were sent.
    Rows(Verb),
}

impl Field {
    /// A column without a table.
    pub(crate) fn new(name: impl Into<String>, ty: Type) -> Self {
        Self { name: name.into(), ty, modifier: -1 }
    }
}

impl Answer {
    /// No rows.
    pub(crate) fn done(tag: impl Into<String>) -> Self {
        Self { fields: Vec::new(), rows: Vec::new(), tag: Tag::Fixed(tag.into()) }
    }

    /// Announces columns whose type nothing tells, or whose values are not of the type, as
    /// what the values are. For clients that were told nothing before.
    pub(crate) fn settle(&mut self, told: &[bool]) {
        for (index, field) in self.fields.iter_mut().enumerate() {
            let values = || self.rows.iter().map(move |row| &row[index]);
            if !told.get(index).copied().unwrap_or(false) {
                field.ty = of_values(values());
            } else if !values().all(|value| types::fits(value, &field.ty)) {
                *field = Field::new(std::mem::take(&mut field.name), Type::TEXT);
            }
        }
    }
}

impl Tag {
    /// The tag's words, after this many rows were sent.
    pub(crate) fn words(&self, rows: usize) -> String {
        match self {
            Self::Fixed(tag) => tag.clone(),
            Self::Rows(verb) => verb.tag(rows as u64),
        }
    }
}

/// The fields of a result, and which of their types are known rather than assumed. A type
/// comes from the declared one of the column, or from the expression.
pub(crate) fn fields(columns: &[Column], sql: &str, scope: &Scope) -> (Vec<Field>, Vec<bool>) {
    let inferred = types::infer(sql, scope);
    let matching = inferred.len() == columns.len();
    let describe = |(index, column): (usize, &Column)| {
        let inferred = inferred.get(index).filter(|_| matching);
        let ty = inferred.and_then(|inferred| inferred.ty.clone());
        let renamed = inferred.filter(|i| column.origin.is_none() && i.written == column.name);
        let name = renamed.map_or(&column.name, |inferred| &inferred.name).clone();
        match &column.decl_type {
            Some(declared) => (of_declared(name, declared), true),
            None => (Field::new(name, ty.clone().unwrap_or(Type::TEXT)), ty.is_some()),
        }
    };
    columns.iter().enumerate().map(describe).unzip()
}

/// The message that announces the fields.
pub(crate) fn row_description(fields: &[Field], formats: &[Format]) -> PgWireBackendMessage {
    let describe = |(index, field): (usize, &Field)| {
        let format = format(formats, index);
        let (oid, size) = (field.ty.oid(), types::size(&field.ty));
        FieldDescription::new(field.name.clone(), 0, 0, oid, size, field.modifier, format.code())
    };
    let fields = fields.iter().enumerate().map(describe).collect();
    PgWireBackendMessage::RowDescription(RowDescription::new(fields))
}

/// The message that carries a row.
pub(crate) fn data_row(
    fields: &[Field],
    formats: &[Format],
    row: &[Value],
) -> Outcome<PgWireBackendMessage> {
    let mut data = BytesMut::with_capacity(16 * row.len());
    for (index, (field, value)) in fields.iter().zip(row).enumerate() {
        types::encode(value, &field.ty, format(formats, index), &field.name, &mut data)?;
    }
    Ok(PgWireBackendMessage::DataRow(DataRow::new(data, count(fields.len())?)))
}

/// The format of a column: one code stands for all, none for text.
pub(crate) fn format(formats: &[Format], index: usize) -> Format {
    match formats {
        [] => Format::Text,
        [only] => *only,
        formats => formats.get(index).copied().unwrap_or(Format::Text),
    }
}

fn of_declared(name: String, declared: &str) -> Field {
    let ty = types::declared(declared);
    let modifier = types::modifier(declared, &ty);
    Field { name, ty, modifier }
}

fn of_values<'v>(values: impl Iterator<Item = &'v Value>) -> Type {
    let mut ty = None;
    for value in values {
        let this = match value {
            Value::Null => continue,
            Value::Integer(_) => Type::INT8,
            Value::Real(_) => Type::FLOAT8,
            Value::Blob(_) => Type::BYTEA,
            Value::Text(_) | Value::RawText(_) => Type::TEXT,
        };
        if ty.as_ref().is_some_and(|ty| *ty != this) {
            return Type::TEXT;
        }
        ty = Some(this);
    }
    ty.unwrap_or(Type::TEXT)
}

fn count(fields: usize) -> Outcome<i16> {
    i16::try_from(fields).map_err(|_| Failure::error("54011", "a result has too many columns"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(values: Vec<Value>, ty: Type, told: bool) -> Type {
        let rows = values.into_iter().map(|value| vec![value]).collect();
        let tag = Tag::Fixed(String::new());
        let mut answer = Answer { fields: vec![Field::new("c", ty)], rows, tag };
        answer.settle(&[told]);
        answer.fields.remove(0).ty
    }

    #[test]
    fn values_decide_where_nothing_else_does() {
        let (text, one) = (Type::TEXT, || Value::Integer(1));
        assert_eq!(settled(vec![one(), Value::Null], text.clone(), false), Type::INT8);
        assert_eq!(settled(vec![one(), "x".into()], text.clone(), false), Type::TEXT);
        assert_eq!(settled(vec![Value::Blob(vec![])], text.clone(), false), Type::BYTEA);
        assert_eq!(settled(vec![one(), "x".into()], Type::INT8, true), Type::TEXT);
        assert_eq!(settled(vec![one(), "2".into()], Type::INT8, true), Type::INT8);
        assert_eq!(settled(vec![], text.clone(), false), Type::TEXT);
    }

    #[test]
    fn tags_count_what_was_sent() {
        assert_eq!(Tag::Rows(Verb::Select).words(2), "SELECT 2");
        assert_eq!(Tag::Fixed("UPDATE 5".into()).words(0), "UPDATE 5");
    }
}
