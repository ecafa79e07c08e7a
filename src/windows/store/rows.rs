//! The store's statements: sparse rows, coverage, placements.

use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior, params};

use super::Placement;
use crate::domain::{Clean, Column};
use crate::windows::cells::{Cells, Ends};
use crate::windows::plan::Key;

/// Bytes of a cell: column id (u32) and value (f32), little endian.
const CELL: usize = 8;

fn part_id(connection: &Connection, key: &Key) -> Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM part WHERE key = ?1")?
        .query_row([key.as_str()], |row| row.get(0))
        .optional()
}

/// See [`Store::covered`](super::Store::covered).
pub fn covered(connection: &mut Connection, key: &Key) -> Result<Vec<Ends>> {
    let mut merged: Vec<Ends> = Vec::new();
    let Some(part) = part_id(connection, key)? else { return Ok(merged) };
    let mut statement =
        connection.prepare_cached("SELECT after, until FROM coverage WHERE part = ?1 ORDER BY after")?;
    let ranges = statement.query_map([part], |row| Ok(Ends { after: row.get(0)?, until: row.get(1)? }))?;
    for range in ranges {
        let range = range?;
        match merged.last_mut() {
            Some(last) if range.after <= last.until => last.until = last.until.max(range.until),
            _ => merged.push(range),
        }
    }
    Ok(merged)
}

/// See [`Store::commit`](super::Store::commit).
pub fn commit(
    connection: &mut Connection,
    key: &Key,
    label: &Clean,
    range: Ends,
    length: i64,
    cells: &Cells,
    complete: bool,
) -> Result<()> {
    // Immediate: a reader that turns writer half-way could not wait for another writer.
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute("INSERT OR IGNORE INTO part (key, label) VALUES (?1, ?2)", [key.as_str(), label.as_str()])?;
    let part: i64 = tx.query_row("SELECT id FROM part WHERE key = ?1", [key.as_str()], |row| row.get(0))?;
    let of_part = params![part, range.after, range.until];
    tx.execute("DELETE FROM window WHERE part = ?1 AND end > ?2 AND end <= ?3", of_part)?;
    tx.execute("DELETE FROM placement WHERE part = ?1 AND last > ?2 AND first <= ?3", of_part)?;
    insert_rows(&tx, part, range, cells)?;
    let mut place = tx.prepare_cached("INSERT INTO placement VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (service, node, first, last) in cells.placements(range, length) {
        place.execute(params![part, service.as_str(), node.as_str(), first, last])?;
    }
    drop(place);
    if complete {
        cover(&tx, part, range)?;
    }
    tx.commit()
}

fn insert_rows(tx: &Transaction<'_>, part: i64, range: Ends, cells: &Cells) -> Result<()> {
    let ids = cells.columns().map(|column| column_id(tx, column)).collect::<Result<Vec<u32>>>()?;
    let mut insert = tx.prepare_cached("INSERT INTO window (part, end, cells) VALUES (?1, ?2, ?3)")?;
    for (end, row) in cells.rows().filter(|(end, _)| range.contains(*end)) {
        let mut blob = Vec::with_capacity(row.len() * CELL);
        for (column, value) in row {
            blob.extend_from_slice(&ids[*column].to_le_bytes());
            blob.extend_from_slice(&value.to_le_bytes());
        }
        insert.execute(params![part, end, blob])?;
    }
    Ok(())
}

fn column_id(tx: &Transaction<'_>, column: &Column) -> Result<u32> {
    let name =
        serde_json::to_string(column).map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    tx.prepare_cached("INSERT OR IGNORE INTO column_name (name) VALUES (?1)")?.execute([&name])?;
    tx.prepare_cached("SELECT id FROM column_name WHERE name = ?1")?.query_row([&name], |row| row.get(0))
}

/// Adds a range to the coverage, swallowing the ranges it touches.
fn cover(tx: &Transaction<'_>, part: i64, range: Ends) -> Result<()> {
    let touching = params![part, range.after, range.until];
    let (after, until): (Option<i64>, Option<i64>) = tx.query_row(
        "SELECT min(after), max(until) FROM coverage WHERE part = ?1 AND until >= ?2 AND after <= ?3",
        touching,
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    tx.execute("DELETE FROM coverage WHERE part = ?1 AND until >= ?2 AND after <= ?3", touching)?;
    let after = after.map_or(range.after, |a| a.min(range.after));
    let until = until.map_or(range.until, |u| u.max(range.until));
    tx.execute("INSERT INTO coverage (part, after, until) VALUES (?1, ?2, ?3)", params![part, after, until])?;
    Ok(())
}

/// See [`Store::cells`](super::Store::cells).
pub fn cells(connection: &mut Connection, key: &Key, range: Ends) -> Result<Cells> {
    let mut cells = Cells::default();
    let Some(part) = part_id(connection, key)? else { return Ok(cells) };
    // Handles by column id, looked up when first met: ids are small and dense.
    let mut handles: Vec<Option<Handle>> = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT end, cells FROM window WHERE part = ?1 AND end > ?2 AND end <= ?3 ORDER BY end",
    )?;
    let mut rows = statement.query(params![part, range.after, range.until])?;
    while let Some(row) = rows.next()? {
        let end: i64 = row.get(0)?;
        let blob = row.get_ref(1)?.as_blob()?;
        let mut decoded = Vec::with_capacity(blob.len() / CELL);
        for cell in blob.chunks_exact(CELL) {
            let (Ok(id), Ok(value)) = (cell[..4].try_into(), cell[4..].try_into()) else { continue };
            let (id, value) = (u32::from_le_bytes(id), f32::from_le_bytes(value));
            let handle = match handles.get(id as usize) {
                Some(Some(handle)) => *handle,
                _ => {
                    let handle = look_up(connection, id, &mut cells)?;
                    // Only ids of the dictionary may make the list longer: a damaged one could be huge.
                    if let Handle::Column(_) = handle {
                        handles.resize(handles.len().max(id as usize + 1), None);
                        handles[id as usize] = Some(handle);
                    }
                    handle
                }
            };
            if let (Handle::Column(ix), true) = (handle, value.is_finite()) {
                decoded.push((ix, value));
            }
        }
        cells.put_row(end, decoded);
    }
    Ok(cells)
}

/// What a column id stands for.
#[derive(Clone, Copy)]
enum Handle {
    Column(usize),
    /// Not in the dictionary, or written by a version that knows other columns: skipped.
    Unknown,
}

fn look_up(connection: &Connection, id: u32, cells: &mut Cells) -> Result<Handle> {
    let name: Option<String> = connection
        .prepare_cached("SELECT name FROM column_name WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let column: Option<Column> = name.and_then(|name| serde_json::from_str(&name).ok());
    Ok(column.map_or(Handle::Unknown, |column| Handle::Column(cells.column(&column))))
}

/// See [`Store::has_cells`](super::Store::has_cells).
pub fn has_cells(connection: &mut Connection, key: &Key, range: Ends) -> Result<bool> {
    let Some(part) = part_id(connection, key)? else { return Ok(false) };
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM window WHERE part = ?1 AND end > ?2 AND end <= ?3)")?
        .query_row(params![part, range.after, range.until], |row| row.get(0))
}

/// See [`Store::placements`](super::Store::placements).
pub fn placements(connection: &mut Connection, key: &Key, range: Ends) -> Result<Vec<Placement>> {
    let Some(part) = part_id(connection, key)? else { return Ok(Vec::new()) };
    connection
        .prepare_cached(
            "SELECT service, node, max(first, ?2 + 1), min(last, ?3) FROM placement
             WHERE part = ?1 AND last > ?2 AND first <= ?3",
        )?
        .query_map(params![part, range.after, range.until], |row| {
            Ok(Placement {
                service: row.get::<_, String>(0)?.as_str().into(),
                node: row.get::<_, String>(1)?.as_str().into(),
                first: row.get(2)?,
                last: row.get(3)?,
            })
        })?
        .collect()
}

/// See [`Store::prune`](super::Store::prune).
pub fn prune(connection: &mut Connection, before: i64) -> Result<()> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Part by part, which the indices serve: this runs after every fetch.
    tx.execute("DELETE FROM window WHERE part IN (SELECT id FROM part) AND end <= ?1", [before])?;
    tx.execute("DELETE FROM placement WHERE last <= ?1", [before])?;
    tx.execute("DELETE FROM coverage WHERE until <= ?1", [before])?;
    // What was forgotten may be asked for again.
    tx.execute("UPDATE coverage SET after = ?1 WHERE after < ?1", [before])?;
    tx.execute(
        "DELETE FROM part WHERE NOT EXISTS (SELECT 1 FROM coverage WHERE part = part.id)
         AND NOT EXISTS (SELECT 1 FROM window WHERE part = part.id)",
        [],
    )?;
    tx.commit()
}
