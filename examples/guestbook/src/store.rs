//! The entries, in SQLite. `site` opens one for each worker; several processes have the same file open.
//!
//! With a rollback journal, not a write-ahead log: that one keeps shared memory beside the file, which processes of several
//! machines on one network folder do not share, and eight processes that wrote 100 entries each took hardly longer (on a disk 4.2 s
//! with TRUNCATE, 2.9 with a write-ahead log; nobody was refused). Who writes begins with BEGIN IMMEDIATE and waits there: a transaction that had read
//! first could not wait for another one's end, and would be refused at once.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::path::Path;
use std::time::Duration;

/// How many entries a page has.
pub const PAGE: usize = 20;

/// How long anybody waits for others that write: below the 40 s that mod_fcgid waits for us.
const PATIENCE: Duration = Duration::from_secs(20);

/// Those who wrote longer ago may write anyway, whatever the pause is.
const FORGOTTEN: u64 = 86_400;

pub struct Store {
    connection: Connection,
}

#[derive(Debug, PartialEq)]
pub struct Entry {
    pub id: i64,
    /// `2026-11-21 20:00`, in UTC.
    pub at: String,
    pub name: String,
    pub text: String,
    /// The name of its file.
    pub picture: Option<String>,
}

/// Where a page begins: an entry may be gone by then, and others may have come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum From {
    Newest,
    Before(i64),
    After(i64),
}

#[derive(Debug, Default, PartialEq)]
pub struct Page {
    /// The newest one first.
    pub entries: Vec<Entry>,
    pub has_newer: bool,
    pub has_older: bool,
}

pub struct New<'a> {
    pub name: &'a str,
    pub text: &'a str,
    pub picture: Option<&'a str>,
    /// Of the form that was sent.
    pub once: &'a str,
    pub visitor: &'a str,
}

#[derive(Debug, PartialEq)]
pub enum Added {
    As(i64),
    /// The form was sent before, and the entry is there.
    Already(i64),
    /// In so many seconds this visitor may write again.
    Wait(u64),
}

impl Store {
    pub fn open(folder: &Path) -> fcgi::Result<Store> {
        let path = folder.join("entries.db");
        let mut store = Store {
            connection: Connection::open(&path).map_err(|error| cannot_open(&path, &error))?,
        };
        store.set_up().map_err(|error| cannot_open(&path, &error))?;
        Ok(store)
    }

    fn set_up(&mut self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(PATIENCE)?;
        // 256 KiB for each worker; a page of entries has less. And the journal is made empty after each entry, not removed.
        self.connection
            .execute_batch("PRAGMA cache_size = -256; PRAGMA journal_mode = TRUNCATE")?;
        let version: i64 = self
            .connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version > 0 {
            return Ok(());
        }
        let change = self.begin()?;
        // Of several processes that start at once the first one makes them.
        change.execute_batch(
            "CREATE TABLE IF NOT EXISTS entries (
                id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, name TEXT NOT NULL, text TEXT NOT NULL,
                picture TEXT, once TEXT NOT NULL UNIQUE);
            CREATE TABLE IF NOT EXISTS visitors (who TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
            PRAGMA user_version = 1",
        )?;
        change.commit()
    }

    /// Adds an entry, unless the visitor wrote less than `pause` seconds ago.
    pub fn add(&mut self, new: &New, pause: u64) -> rusqlite::Result<Added> {
        let change = self.begin()?;
        let there = "SELECT id FROM entries WHERE once = ?";
        if let Some(id) = change
            .query_row(there, [new.once], |row| row.get(0))
            .optional()?
        {
            return Ok(Added::Already(id));
        }
        if let Some(seconds) = wait(&change, new.visitor, pause)? {
            return Ok(Added::Wait(seconds));
        }
        change.execute(
            "INSERT INTO entries (at, name, text, picture, once) VALUES (unixepoch(), ?, ?, ?, ?)",
            params![new.name, new.text, new.picture, new.once],
        )?;
        let id = change.last_insert_rowid();
        change.commit()?;
        Ok(Added::As(id))
    }

    /// How many seconds `who` has to wait; `None`: may go on, and has to wait from now on.
    pub fn wait(&mut self, who: &str, pause: u64) -> rusqlite::Result<Option<u64>> {
        let change = self.begin()?;
        let seconds = wait(&change, who, pause)?;
        change.commit()?;
        Ok(seconds)
    }

    /// A page of entries. By their numbers, not by how many there are before them: nothing moves from page to page while
    /// others write.
    pub fn page(&self, from: From) -> rusqlite::Result<Page> {
        let (condition, order, id) = match from {
            From::Newest => ("id < ?", "DESC", i64::MAX),
            From::Before(id) => ("id < ?", "DESC", id),
            From::After(id) => ("id > ?", "ASC", id),
        };
        let mut entries = self.some(
            &format!(
                "SELECT id, strftime('%Y-%m-%d %H:%M', at, 'unixepoch'), name, text, picture FROM entries
                WHERE {condition} ORDER BY id {order} LIMIT {}",
                PAGE + 1
            ),
            id,
        )?;
        let has_more = entries.len() > PAGE;
        entries.truncate(PAGE);
        let has_others = from != From::Newest;
        let (has_newer, has_older) = match order {
            "ASC" => (has_more, has_others),
            _ => (has_others, has_more),
        };
        if order == "ASC" {
            entries.reverse();
        }
        Ok(Page {
            entries,
            has_newer,
            has_older,
        })
    }

    fn some(&self, query: &str, id: i64) -> rusqlite::Result<Vec<Entry>> {
        let mut query = self.connection.prepare(query)?;
        query.query_map([id], entry)?.collect()
    }

    /// Takes an entry away; its picture, which has to go, too. `None`: there is no such entry.
    pub fn delete(&mut self, id: i64) -> rusqlite::Result<Option<Option<String>>> {
        let change = self.begin()?;
        let picture = "DELETE FROM entries WHERE id = ? RETURNING picture";
        let picture = change
            .query_row(picture, [id], |row| row.get(0))
            .optional()?;
        change.commit()?;
        Ok(picture)
    }

    fn begin(&mut self) -> rusqlite::Result<Transaction<'_>> {
        self.connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
    }
}

fn cannot_open(path: &Path, error: &rusqlite::Error) -> fcgi::Error {
    let message = format!(
        "cannot open the entries {}: {error}; the program's user has to be able to write there",
        path.display()
    );
    fcgi::Error::new(503, message)
}

fn wait(change: &Transaction, who: &str, pause: u64) -> rusqlite::Result<Option<u64>> {
    let ago = "SELECT unixepoch() - at FROM visitors WHERE who = ?";
    let ago: Option<i64> = change.query_row(ago, [who], |row| row.get(0)).optional()?;
    // A clock that was put back makes it negative.
    if let Some(left) = ago
        .and_then(|ago| pause.checked_sub(u64::try_from(ago).ok()?))
        .filter(|&left| left > 0)
    {
        return Ok(Some(left));
    }
    change.execute(
        "INSERT OR REPLACE INTO visitors VALUES (?, unixepoch())",
        [who],
    )?;
    change.execute(
        "DELETE FROM visitors WHERE at < unixepoch() - ?",
        [FORGOTTEN as i64],
    )?;
    Ok(None)
}

fn entry(row: &Row) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        at: row.get(1)?,
        name: row.get(2)?,
        text: row.get(3)?,
        picture: row.get(4)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn new<'a>(text: &'a str, visitor: &'a str) -> New<'a> {
        New {
            name: "Ann",
            text,
            picture: None,
            once: text,
            visitor,
        }
    }

    fn add(store: &mut Store, text: &str) -> i64 {
        match store.add(&new(text, "ann"), 0).unwrap() {
            Added::As(id) => id,
            other => panic!("{other:?}"),
        }
    }

    fn texts(page: &Page) -> Vec<&str> {
        page.entries.iter().map(|entry| &*entry.text).collect()
    }

    #[test]
    fn a_form_that_is_sent_twice_is_one_entry() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let id = add(&mut store, "hello");
        assert_eq!(
            store.add(&new("hello", "ann"), 60).unwrap(),
            Added::Already(id)
        );
        assert_eq!(store.page(From::Newest).unwrap().entries.len(), 1);
    }

    #[test]
    fn who_wrote_a_moment_ago_has_to_wait_and_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        add(&mut store, "one");
        assert!(matches!(
            store.add(&new("two", "ann"), 60).unwrap(),
            Added::Wait(1..=60)
        ));
        assert!(matches!(
            store.add(&new("two", "bob"), 60).unwrap(),
            Added::As(_)
        ));
        store
            .connection
            .execute("UPDATE visitors SET at = at - 61", [])
            .unwrap();
        assert!(matches!(
            store.add(&new("three", "ann"), 60).unwrap(),
            Added::As(_)
        ));
        assert_eq!(store.wait("log in", 600).unwrap(), None);
        assert!(store.wait("log in", 600).unwrap().is_some());
        // Written by a clock that was put back since.
        store
            .connection
            .execute("UPDATE visitors SET at = at + 3600", [])
            .unwrap();
        assert_eq!(store.wait("log in", 600).unwrap(), None);
    }

    #[test]
    fn pages_stay_while_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let names: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        for name in &names {
            add(&mut store, name);
        }
        let first = store.page(From::Newest).unwrap();
        assert_eq!(
            (first.has_newer, first.has_older, first.entries.len()),
            (false, true, PAGE)
        );
        let last = first.entries.last().unwrap().id;
        let second = store.page(From::Before(last)).unwrap();
        add(&mut store, "50");
        assert_eq!(store.page(From::Before(last)).unwrap(), second);
        assert_eq!(texts(&second)[0], "29");
        // And back again, to what is there now.
        let back = store.page(From::After(second.entries[0].id)).unwrap();
        assert_eq!((back.has_newer, back.has_older), (true, true));
        assert_eq!(texts(&back), texts(&first));
        let third = store
            .page(From::Before(second.entries.last().unwrap().id))
            .unwrap();
        assert_eq!(
            (third.has_newer, third.has_older, third.entries.len()),
            (true, false, 10)
        );
    }

    #[test]
    fn a_deleted_entry_is_gone_and_its_number_is_not_given_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let with = New {
            picture: Some("x.png"),
            ..new("one", "ann")
        };
        let Added::As(id) = store.add(&with, 0).unwrap() else {
            panic!()
        };
        assert_eq!(store.delete(id).unwrap(), Some(Some("x.png".to_owned())));
        assert_eq!(store.delete(id).unwrap(), None);
        assert_eq!(store.page(From::Newest).unwrap(), Page::default());
        assert!(add(&mut store, "two") > id);
    }

    #[test]
    fn many_that_open_and_write_at_once_wait_for_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let write = |who: usize| {
            let mut store = Store::open(folder.path()).unwrap();
            for number in 0..10 {
                add(&mut store, &format!("{who} {number}"));
                store.page(From::Newest).unwrap();
            }
        };
        thread::scope(|scope| (0..8).for_each(|who| drop(scope.spawn(move || write(who)))));
        let store = Store::open(folder.path()).unwrap();
        let count: i64 = store
            .connection
            .query_row("SELECT count(*) FROM entries", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 80);
    }
}
