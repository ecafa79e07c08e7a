//! The chain of hashes through a journal's lines.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::record::Record;
use crate::domain::{Clean, Timestamp};

/// Hash before the first entry.
const BEGINNING: &str = "sagetop.journal/1";

/// One entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts up from 1.
    pub seq: u64,
    /// When it was written, by the wall clock of who wrote it.
    pub at: Timestamp,
    /// Hash of the entry before.
    pub prev: String,
    /// What it says.
    #[serde(flatten)]
    pub record: Record,
}

/// A line as it stands in the file. The hash is over the entry's bytes as they stand there.
#[derive(Serialize, Deserialize)]
struct Line<'a> {
    hash: String,
    #[serde(borrow)]
    entry: &'a RawValue,
}

/// Where a chain is broken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct Broken {
    /// From 1.
    pub line: usize,
    /// How.
    pub why: Clean,
}

/// Entries whose chain holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Chain {
    /// The entries.
    pub entries: Vec<Entry>,
    hash: Option<String>,
    lines: usize,
    /// A last line without an end, or one that is not whole: written when something died.
    rest: Vec<u8>,
    torn: Option<Vec<u8>>,
}

/// A journal whose chain holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries.
    pub entries: usize,
    /// Hash of the last one.
    pub hash: String,
    /// How many lines were torn, and told by the next one.
    pub torn: usize,
    /// Whether the last line is torn and nobody has told of it yet.
    pub open_end: bool,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

impl Chain {
    /// Hash of the last entry.
    pub fn hash(&self) -> &str {
        self.hash.as_deref().unwrap_or(BEGINNING)
    }

    /// Takes what comes next in the file.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let mut from = 0;
        while let Some(length) = all[from..].iter().position(|byte| *byte == b'\n') {
            self.line(&all[from..from + length])?;
            from += length + 1;
        }
        self.rest = all.split_off(from);
        Ok(())
    }

    fn line(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.lines += 1;
        let broken = |why: &str| Broken { line: self.lines, why: Clean::new(why) };
        let entry = self.read(bytes);
        match (self.torn.take(), entry) {
            (None, Ok(entry)) => self.take(entry, bytes),
            // What died while writing left it; the next line has to say so.
            (None, Err(_)) => self.torn = Some(bytes.to_vec()),
            (Some(torn), Ok(entry)) => match &entry.record {
                Record::Torn { bytes: length, sha256 }
                    if *length == torn.len() as u64 && *sha256 == hash_of(&torn) =>
                {
                    self.take(entry, bytes);
                }
                _ => {
                    return Err(Broken {
                        line: self.lines - 1,
                        why: Clean::new("it was changed, or is not whole"),
                    });
                }
            },
            (Some(_), Err(why)) => return Err(broken(&why)),
        }
        Ok(())
    }

    fn take(&mut self, entry: Entry, bytes: &[u8]) {
        // It was read just now.
        self.hash = serde_json::from_slice::<Line<'_>>(bytes).map(|line| line.hash).ok();
        self.entries.push(entry);
    }

    fn read(&self, bytes: &[u8]) -> Result<Entry, String> {
        let line: Line<'_> =
            serde_json::from_slice(bytes).map_err(|error| format!("it is not an entry: {error}"))?;
        if line.hash != hash_of(line.entry.get().as_bytes()) {
            return Err("its hash is not that of its entry".to_owned());
        }
        let entry: Entry = serde_json::from_str(line.entry.get())
            .map_err(|error| format!("it is not understood: {error}"))?;
        if entry.prev != self.hash() || entry.seq != self.entries.len() as u64 + 1 {
            return Err("it does not follow the entry before".to_owned());
        }
        Ok(entry)
    }

    /// The bytes that append `record`: before it, a torn last line is ended and told.
    pub fn append(&mut self, record: Record, at: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
        let mut bytes = Vec::new();
        if !self.rest.is_empty() {
            bytes.push(b'\n');
            // It may be whole but for its end.
            let rest = std::mem::take(&mut self.rest);
            self.lines += 1;
            match self.read(&rest) {
                Ok(entry) if self.torn.is_none() => self.take(entry, &rest),
                _ => self.torn = Some(rest),
            }
        }
        if let Some(torn) = self.torn.take() {
            let told = Record::Torn { bytes: torn.len() as u64, sha256: hash_of(&torn) };
            bytes.extend(self.push(told, at)?);
        }
        bytes.extend(self.push(record, at)?);
        Ok(bytes)
    }

    fn push(&mut self, record: Record, at: Timestamp) -> Result<Vec<u8>, serde_json::Error> {
        let entry = Entry { seq: self.entries.len() as u64 + 1, at, prev: self.hash().to_owned(), record };
        let raw = serde_json::value::to_raw_value(&entry)?;
        let hash = hash_of(raw.get().as_bytes());
        let mut line = serde_json::to_vec(&Line { hash: hash.clone(), entry: &raw })?;
        line.push(b'\n');
        self.lines += 1;
        self.hash = Some(hash);
        self.entries.push(entry);
        Ok(line)
    }
}

/// Checks a journal's bytes from the beginning.
///
/// # Errors
/// Where the chain is broken.
pub fn verify(bytes: &[u8]) -> Result<(Vec<Entry>, Verified), Broken> {
    let mut chain = Chain::default();
    chain.extend(bytes)?;
    let torn = chain.entries.iter().filter(|entry| matches!(entry.record, Record::Torn { .. })).count();
    let verified = Verified {
        entries: chain.entries.len(),
        hash: chain.hash().to_owned(),
        torn,
        open_end: !chain.rest.is_empty() || chain.torn.is_some(),
    };
    Ok((chain.entries, verified))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::remedy::operation::OperationId;

    fn record(n: u64) -> Record {
        Record::Started { op: OperationId(Clean::new(&format!("op-{n}"))) }
    }

    fn journal(n: u64) -> Vec<u8> {
        let mut chain = Chain::default();
        (0..n).flat_map(|i| chain.append(record(i), Timestamp::UNIX_EPOCH).unwrap()).collect()
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(at in 0usize..2_000, with in any::<u8>()) {
            let good = journal(6);
            let mut bad = good.clone();
            let at = at % bad.len();
            prop_assume!(bad[at] != with);
            bad[at] = with;
            let seen = verify(&bad);
            // A byte of the last line tears it, which is told and not silently accepted as an entry.
            prop_assert!(seen.is_err() || seen.as_ref().unwrap().1.open_end, "{seen:?}");
        }

        #[test]
        fn a_journal_cut_anywhere_goes_on_and_tells_what_was_torn(cut in 0usize..2_000) {
            let mut bytes = journal(5);
            let cut = cut % (bytes.len() + 1);
            bytes.truncate(cut);
            let (entries, before) = verify(&bytes).unwrap();
            let mut chain = Chain::default();
            chain.extend(&bytes).unwrap();
            bytes.extend(chain.append(record(9), Timestamp::UNIX_EPOCH).unwrap());
            let (after, verified) = verify(&bytes).unwrap();
            prop_assert!(!verified.open_end);
            prop_assert_eq!(&after.last().unwrap().record, &record(9));
            // A line that only lacked its end counts; half a line is told.
            let whole = after.len() - verified.torn - 1;
            prop_assert!(whole == entries.len() || whole == entries.len() + 1);
            prop_assert_eq!(verified.torn > 0, before.open_end && whole == entries.len());
        }
    }

    #[test]
    fn lines_taken_out_or_exchanged_break_it() {
        let good = journal(4);
        let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
        assert_eq!(verify(&good).unwrap().1.entries, 4);
        for order in [&[0, 2, 3][..], &[1, 2, 3], &[0, 1, 3, 2], &[0, 1, 1, 2], &[0, 0, 1, 2, 3]] {
            let bad: Vec<u8> = order.iter().flat_map(|i| lines[*i].to_vec()).collect();
            assert!(verify(&bad).is_err(), "{order:?}");
        }
    }
}
