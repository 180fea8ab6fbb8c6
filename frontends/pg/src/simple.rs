use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};

use crate::answer::{Answer, data_row, fields, row_description};
use crate::backend::{Backend, Performed};
use crate::connection::{Connection, watched};
use crate::dialect::{Piece, Translation, split, translate};
use crate::error::{Failure, Outcome};
use crate::types::Scope;
use crate::wire::Wire;

impl Connection {
    /// Runs a query string: all of its statements are one transaction, unless it says
    /// otherwise (<https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT>).
    pub(crate) async fn query(&mut self, wire: &mut Wire, sql: &str) -> Outcome<()> {
        self.forget_unnamed();
        let pieces = split(sql);
        if pieces.is_empty() {
            let empty = EmptyQueryResponse::new();
            return wire.feed(PgWireBackendMessage::EmptyQueryResponse(empty)).await;
        }
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            let shift = sql[..piece.at].chars().count();
            let answer = watched(wire, one(&mut self.backend, *piece, last)).await;
            let (statement, answer) = answer.map_err(|failure| shifted(failure, shift))?;
            self.forget(&statement.command);
            self.tell_changes(wire).await?;
            send(wire, &answer).await?;
        }
        Ok(())
    }
}

/// Runs a statement. The last one is only answered when the transaction is committed.
async fn one(
    backend: &mut Backend,
    piece: Piece<'_>,
    last: bool,
) -> Outcome<(Translation, Answer)> {
    let statement = translate(piece.sql, &backend.identity)?;
    let performed = backend.perform(&statement, Vec::new(), last).await?;
    if last {
        backend.finish().await?;
    }
    let answer = answer(&statement, performed);
    Ok((statement, answer))
}

fn answer(statement: &Translation, performed: Performed) -> Answer {
    match performed {
        Performed::Answer(answer) => answer,
        Performed::Result(result, tag) => {
            let (fields, told) = fields(&result.columns, &statement.sql, &Scope::default());
            let mut answer = Answer { fields, rows: result.rows, tag };
            answer.settle(&told);
            answer
        }
    }
}

async fn send(wire: &mut Wire, answer: &Answer) -> Outcome<()> {
    if !answer.fields.is_empty() {
        wire.feed(row_description(&answer.fields, &[])).await?;
    }
    for row in &answer.rows {
        wire.feed(data_row(&answer.fields, &[], row)?).await?;
    }
    let tag = answer.tag.words(answer.rows.len());
    wire.feed(PgWireBackendMessage::CommandComplete(CommandComplete::new(tag))).await
}

/// The engine counts from the statement's beginning, the client from the string's.
fn shifted(mut failure: Failure, shift: usize) -> Failure {
    if let Failure::Report(info) = &mut failure
        && let Some(position) = info.position.as_ref().and_then(|text| text.parse::<usize>().ok())
    {
        info.position = Some((position + shift).to_string());
    }
    failure
}
