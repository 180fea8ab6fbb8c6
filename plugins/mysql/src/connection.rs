use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use ha_core::{Shutdown, Value};

use crate::Options;
use crate::backend::{Answer, Backend};
use crate::connections::Registration;
use crate::dialect::{quoted, readable};
use crate::error::{Failure, Outcome};
use crate::prepared::Prepared;
use crate::rows;
use crate::wire::reply::{self, Done};
use crate::wire::types::Field;
use crate::wire::{Reader, Wire, handshake};

/// A client that has logged in.
pub(crate) struct Connection {
    pub(crate) backend: Backend,
    pub(crate) options: Arc<Options>,
    pub(crate) registration: Registration,
    pub(crate) prepared: HashMap<u32, Prepared>,
    pub(crate) last_prepared: u32,
}

impl Connection {
    /// Serves the client until it leaves, breaks the protocol, is killed, or the node stops.
    pub(crate) async fn serve(mut self, mut wire: Wire, stop: Shutdown) {
        let killed = Arc::clone(&self.registration.killed);
        loop {
            let packet = tokio::select! {
                biased;
                () = stop.requested() => Err(Failure::new(1053, "08S01", "Server shutdown in progress")),
                () = killed.notified() => Err(Failure::new(3169, "08S01", "The connection was killed")),
                packet = wire.command(self.backend.idle_timeout()) => packet,
            };
            let result = match packet {
                Ok(packet) if packet.first() == Some(&1) => return,
                Ok(packet) => self.step(&mut wire, &packet).await,
                Err(failure) => return tell(&mut wire, failure).await,
            };
            let result = match result {
                Err(failure) => report(&mut wire, failure).await,
                Ok(()) => Ok(()),
            };
            if result.is_err() || wire.flush().await.is_err() {
                return;
            }
        }
    }

    /// Does what a command asks for
    /// (<https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html>).
    async fn step(&mut self, wire: &mut Wire, packet: &[u8]) -> Outcome<()> {
        let Some((command, body)) = packet.split_first() else {
            return Err(Failure::protocol("empty"));
        };
        match command {
            0x02 => {
                self.backend.scope.database = text(body);
                self.done(wire).await
            }
            0x03 => {
                let sql = readable(body)?;
                let answer = watched(wire, self.backend.run(&sql, Vec::new())).await?;
                self.answer(wire, answer, rows::text_row).await
            }
            0x04 => self.field_list(wire, body).await,
            0x09 => wire.send(b"Uptime: 0  Threads: 1").await,
            0x0e => self.done(wire).await,
            0x11 => self.change_user(wire, body).await,
            0x16 => self.prepare(wire, body).await,
            0x17 => self.execute(wire, body).await,
            // These two are answered by nothing, not even by an error.
            0x18 => self.long_data(body).or(Ok(())),
            0x19 => self.close(body).or(Ok(())),
            0x1a => {
                self.statement(&mut Reader(body))?.forget_values();
                self.done(wire).await
            }
            // Several statements in one text stay off.
            0x1b if body == [1, 0] => wire.send(&reply::end(self.backend.status())).await,
            0x1f => {
                self.prepared.clear();
                self.backend.reset().await?;
                self.done(wire).await
            }
            _ => Err(Failure::new(1047, "08S01", "Unknown command")),
        }
    }

    pub(crate) async fn done(&mut self, wire: &mut Wire) -> Outcome<()> {
        wire.send(&reply::done(&Done::default(), self.backend.status())).await
    }

    pub(crate) async fn answer(
        &mut self,
        wire: &mut Wire,
        answer: Answer,
        encode: fn(&[Field], &[Value]) -> Vec<u8>,
    ) -> Outcome<()> {
        let status = self.backend.status();
        match answer {
            Answer::Done(done) => wire.send(&reply::done(&done, status)).await,
            Answer::Rows(fields, rows) => {
                wire.send(&reply::count(fields.len())).await?;
                self.columns(wire, &fields).await?;
                for row in &rows {
                    wire.send(&encode(&fields, row)).await?;
                }
                wire.send(&reply::end(status)).await
            }
        }
    }

    /// Columns and what ends them.
    pub(crate) async fn columns(&mut self, wire: &mut Wire, fields: &[Field]) -> Outcome<()> {
        for field in fields {
            wire.send(&reply::column(field, &self.backend.scope.database)).await?;
        }
        wire.send(&reply::end(self.backend.status())).await
    }

    async fn field_list(&mut self, wire: &mut Wire, body: &[u8]) -> Outcome<()> {
        let table = text(Reader(body).until_nul());
        let sql = format!("SELECT * FROM {}", quoted(&table));
        let columns = self.backend.session.describe(&sql).await?.columns;
        for field in rows::described(&columns) {
            let mut column = reply::column(&field, &self.backend.scope.database);
            // The default value, which is not told.
            column.push(0xfb);
            wire.send(&column).await?;
        }
        wire.send(&reply::end(self.backend.status())).await
    }

    async fn change_user(&mut self, wire: &mut Wire, body: &[u8]) -> Outcome<()> {
        // The answer to the login has to be the last one.
        self.prepared.clear();
        self.backend.reset().await?;
        let login = match handshake::change_user(wire, body, &self.options).await {
            Ok(login) => login,
            Err(failure) => {
                report(wire, failure).await?;
                wire.flush().await?;
                return Err(Failure::Gone);
            }
        };
        (self.backend.scope.user, self.backend.scope.database) = (login.user, login.database);
        Ok(())
    }
}

/// Does work for a client as long as the client is there to get the answer.
pub(crate) async fn watched<T>(wire: &Wire, work: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    tokio::select! {
        biased;
        result = work => result,
        () = wire.hung_up() => Err(Failure::Gone),
    }
}

/// Tells the client of an error.
async fn report(wire: &mut Wire, failure: Failure) -> Outcome<()> {
    match failure {
        Failure::Report(report) => wire.send(&reply::failed(&report)).await,
        Failure::Gone => Err(Failure::Gone),
    }
}

/// Tells the client of an error, the last that it is told.
pub(crate) async fn tell(wire: &mut Wire, failure: Failure) {
    let _ = report(wire, failure).await;
    let _ = wire.flush().await;
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
