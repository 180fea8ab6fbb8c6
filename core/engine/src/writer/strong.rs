//! Strong reads that wait until the log has confirmed this node's state.

use std::collections::VecDeque;

use ha_core::{Error, Result};
use tokio::sync::oneshot;

use super::Writer;
use crate::machine::Event;

/// Those who wait, in the order of arrival.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    arrived: u64,
    readers: VecDeque<(u64, oneshot::Sender<Result<()>>)>,
}

impl Waiting {
    pub(super) fn somebody_waits(&self) -> bool {
        !self.readers.is_empty()
    }
}

impl Writer {
    /// Takes a read that has arrived.
    pub(super) fn ask_strong(&mut self, reader: oneshot::Sender<Result<()>>) {
        self.strong.arrived += 1;
        let read = self.strong.arrived;
        self.strong.readers.push_back((read, reader));
        self.tell(Event::Asked { read });
    }

    /// Readers on this node see what the log has confirmed: those up to this number go on.
    pub(super) fn serve_strong(&mut self, upto: u64) {
        self.publish();
        while let Some((_, reader)) = self.strong.readers.pop_front_if(|(read, _)| *read <= upto) {
            // Who has left needs no answer.
            let _ = reader.send(Ok(()));
        }
    }

    /// Forgets who has left, and answers everybody once the node has stopped.
    pub(super) fn expire_strong(&mut self) {
        while self.strong.readers.pop_front_if(|(_, reader)| reader.is_closed()).is_some() {}
        if let Some(reason) = self.machine.stopped() {
            let error = Error::NotReady(reason.to_owned());
            for (_, reader) in self.strong.readers.drain(..) {
                let _ = reader.send(Err(error.clone()));
            }
        }
    }
}
