use bytes::Bytes;
use futures::stream::{self, StreamExt};
use sha2::{Digest, Sha256};

use crate::{ByteStream, Error, Result, SnapshotMeta};

impl SnapshotMeta {
    /// The body as it comes. Ends with [`Error::Corrupt`] if it is not what this describes,
    /// as soon as it is longer.
    #[must_use]
    pub fn checked(&self, body: ByteStream) -> ByteStream {
        let checked = Checked { meta: self.clone(), body, bytes: 0, hash: Sha256::new() };
        stream::try_unfold(checked, Checked::next).boxed()
    }
}

struct Checked {
    meta: SnapshotMeta,
    body: ByteStream,
    bytes: u64,
    hash: Sha256,
}

impl Checked {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>> {
        let Some(chunk) = self.body.next().await.transpose()? else { return self.finish() };
        self.bytes += chunk.len() as u64;
        if self.bytes > self.meta.bytes {
            return Err(differs());
        }
        self.hash.update(&chunk);
        Ok(Some((chunk, self)))
    }

    fn finish(self) -> Result<Option<(Bytes, Self)>> {
        let is_it = self.bytes == self.meta.bytes && self.hash.finalize()[..] == self.meta.digest;
        if is_it { Ok(None) } else { Err(differs()) }
    }
}

fn differs() -> Error {
    Error::Corrupt("the snapshot is not what its description says".to_owned())
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::{Lineage, RunningHash, Seq};

    /// What comes of a body in these chunks, described as `described`.
    fn check(described: &str, chunks: &[&'static str]) -> Vec<Result<Bytes>> {
        let meta = SnapshotMeta {
            digest: Sha256::digest(described).into(),
            bytes: described.len() as u64,
            lineage: Lineage([7; 8]),
            seq: Seq(1),
            hash: RunningHash::default(),
        };
        let chunks: Vec<_> = chunks.iter().map(|&chunk| Ok(chunk.into())).collect();
        block_on(meta.checked(stream::iter(chunks).boxed()).collect())
    }

    #[test]
    fn a_body_passes_as_it_is() {
        assert_eq!(check("body", &["bo", "dy"]), [Ok("bo".into()), Ok("dy".into())]);
        assert_eq!(check("", &[]), []);
    }

    #[test]
    fn a_body_that_differs_ends_with_an_error() {
        assert_eq!(check("body", &["bo", "by"]).pop(), Some(Err(differs())));
        assert_eq!(check("body", &["bod"]), [Ok("bod".into()), Err(differs())]);
        let longer = check("body", &["body", "guard", "ed"]);
        assert_eq!(longer, [Ok("body".into()), Err(differs())], "nothing passes beyond its end");
    }

    #[test]
    fn an_error_of_the_source_is_passed_on() {
        let meta = SnapshotMeta {
            digest: [0; 32],
            bytes: 4,
            lineage: Lineage([7; 8]),
            seq: Seq(1),
            hash: RunningHash::default(),
        };
        let source = stream::iter([Err(Error::Closed)]).boxed();
        assert_eq!(block_on(meta.checked(source).collect::<Vec<_>>()), [Err(Error::Closed)]);
    }
}
