//! The faults: how each is switched on, how strong, and what must be found.
//!
//! Numbers up to 25 are those of the list of faults in `docs/gallery.md`. Nothing in the services is named after its fault.

use crate::stage::{Part, Switch};

/// A fault of the gallery.
pub struct Case {
    pub number: u8,
    pub name: &'static str,
    /// Whether the services need a core of their own: what is on it must not hurt the generator.
    pub apart: bool,
    /// What is started besides the shop.
    pub parts: &'static [Part],
    /// Limit of the Go heap.
    pub memory: Option<&'static str>,
    /// Flags of the shop.
    pub args: &'static [&'static str],
    /// Requests by path, with their weights; the first one is what the fault is in.
    pub mix: &'static [(&'static str, u32)],
    /// Set before the load begins, healthy or not.
    pub prepare: &'static [Switch],
    pub switch: Switch,
    /// What is tried first as its dose; none if it has no size.
    pub dose: Option<f64>,
    /// Largest dose that makes sense.
    pub most: f64,
    /// Requests per second, where capacity says nothing of what the fault leaves.
    pub rate: Option<f64>,
    /// Kinds that are right.
    pub kinds: &'static [&'static str],
    /// Service, function, statement or limit: each of these must be named in `at` or `doing`.
    pub names: &'static [&'static str],
    /// What must be said besides, in any text of the cause.
    pub says: &'static [&'static str],
    /// What stands on the line of source code that does it, or waits for it; empty where it is in no source of the services.
    pub code: &'static str,
}

impl Case {
    /// The same for the scenario: the usual kind, and where, if the place is not what is waited for.
    pub fn expect(&self) -> String {
        let at = self.names.first().filter(|_| self.kinds[0] != "network");
        let at = at.map_or_else(String::new, |at| format!("at = \"{at}\"\n"));
        format!("[expect]\ncause = \"{}\"\n{at}", self.kinds[0])
    }
}

const SHOP: &[Part] = &[Part::Downstream];
const STORES: &[Part] = &[Part::Database, Part::Cache];

const CATALOGUE: (&str, u32) = ("/catalogue?page=2", 3);
const SEARCH: (&str, u32) = ("/search?q=oak+mug", 3);
const ORDER: (&str, u32) = ("/order", 3);
const RECOMMEND: (&str, u32) = ("/recommend", 3);
const IMAGE: (&str, u32) = ("/image", 3);
const FEED: (&str, u32) = ("/feed", 3);
const STORED: &[(&str, u32)] = &[("/account", 2), ("/reserve", 1), ("/basket", 1)];

/// All six requests that need no store, alike; what controls run.
pub const EVEN: &[(&str, u32)] = &[CATALOGUE, SEARCH, ORDER, RECOMMEND, IMAGE, FEED];

const fn fault(number: u8, name: &'static str) -> Case {
    Case {
        number,
        name,
        apart: false,
        parts: SHOP,
        memory: None,
        args: &[],
        mix: EVEN,
        prepare: &[],
        switch: Switch::Shop(""),
        dose: None,
        most: f64::INFINITY,
        rate: None,
        kinds: &[],
        names: &[],
        says: &[],
        code: "",
    }
}

pub const CASES: &[Case] = &[
    Case {
        mix: &[("/search?q=oak+mug", 15), CATALOGUE, ORDER, RECOMMEND, IMAGE, FEED],
        switch: Switch::Shop("compile=always&terms={}"),
        dose: Some(230.0),
        most: 5_000.0,
        rate: Some(1_200.0),
        kinds: &["cpu"],
        names: &["search.(*Index)", "regexp."],
        code: "regexp.MustCompile(",
        ..fault(1, "patterns compiled per request")
    },
    Case {
        mix: &[("/catalogue?page=2", 15), SEARCH, ORDER, RECOMMEND, IMAGE, FEED],
        switch: Switch::Shop("refresh=always&pages={}"),
        dose: Some(34.0),
        most: 5_000.0,
        rate: Some(1_200.0),
        kinds: &["lock", "cpu"],
        names: &["catalogue.(*Store).Reload"],
        code: "json.Unmarshal(",
        ..fault(2, "a document parsed under a mutex")
    },
    Case {
        mix: &[("/order", 15), CATALOGUE, SEARCH, RECOMMEND, IMAGE, FEED],
        args: &["-job-time", "BUSY"],
        switch: Switch::Shop("workers=3"),
        kinds: &["pool"],
        names: &["orders.(*Pool)"],
        code: "p.jobs <- j",
        ..fault(4, "a pool of three workers")
    },
    Case {
        mix: &[("/image", 15), CATALOGUE, SEARCH, ORDER, RECOMMEND, FEED],
        switch: Switch::Shop("buffer={}KiB"),
        dose: Some(1600.0),
        most: 65_536.0,
        kinds: &["allocation"],
        names: &["images.(*Renderer)"],
        code: "make([]byte",
        ..fault(5, "garbage of a megabyte per request")
    },
    Case {
        // So far that connections are counted in tens: one fewer is a small dose.
        parts: &[Part::FarDatabase(4), Part::Cache],
        mix: STORED,
        prepare: &[Switch::Shop("connections=60")],
        switch: Switch::Shop("connections={}"),
        dose: Some(20.0),
        most: 60.0,
        rate: Some(1_500.0),
        kinds: &["pool"],
        names: &["accounts.(*Ledger)"],
        ..fault(7, "few connections to the database")
    },
    Case {
        parts: STORES,
        mix: STORED,
        switch: Switch::Sql("DROP INDEX purchase_customer"),
        rate: Some(60.0),
        kinds: &["database"],
        names: &["accounts.(*Ledger)", "FROM purchase WHERE customer"],
        says: &["CREATE INDEX CONCURRENTLY ON purchase (customer)"],
        code: "l.db.QueryContext(",
        ..fault(8, "an index is gone")
    },
    Case {
        parts: STORES,
        mix: &[("/reserve?item=7", 1)],
        switch: Switch::Holder(
            "BEGIN;SELECT remaining FROM stock WHERE item = 7 FOR UPDATE;sleep {};COMMIT;sleep 100",
        ),
        dose: Some(100.0),
        most: 2_000.0,
        rate: Some(200.0),
        kinds: &["database"],
        names: &["accounts.(*Ledger).Reserve", "SELECT remaining FROM stock WHERE item = ? FOR UPDATE"],
        says: &["waits for a lock", "idle in transaction"],
        code: "l.db.QueryRowContext(",
        ..fault(9, "a row kept locked by an idle transaction")
    },
    Case {
        parts: &[Part::FarDatabase(1), Part::Cache],
        mix: STORED,
        switch: Switch::Shop("row-titles=always&lines={}"),
        dose: Some(12.0),
        most: 40.0,
        rate: Some(200.0),
        kinds: &["database"],
        names: &["accounts.(*Ledger)", "SELECT title FROM article WHERE item ="],
        says: &["times instead of"],
        code: "l.db.QueryRowContext(",
        ..fault(10, "a statement for each row")
    },
    Case {
        parts: STORES,
        mix: STORED,
        switch: Switch::Sql(
            "ALTER TABLE purchase ALTER COLUMN customer SET (n_distinct = 5), ALTER COLUMN customer SET STATISTICS 1;\
             ANALYZE purchase (customer)",
        ),
        rate: Some(100.0),
        kinds: &["database"],
        names: &["accounts.(*Ledger)", "FROM purchase WHERE customer"],
        says: &["its plan changed", "ANALYZE purchase"],
        code: "l.db.QueryContext(",
        ..fault(11, "another plan after the statistics changed")
    },
    Case {
        parts: &[Part::DatabaseOnDisk, Part::Cache],
        mix: &[("/reserve", 2), ("/account", 1), ("/basket", 1)],
        switch: Switch::Disk,
        dose: Some(6_000.0),
        most: 1_000_000.0,
        rate: Some(300.0),
        kinds: &["disk"],
        names: &["accounts.(*Ledger).Reserve", "write-ahead log"],
        code: "l.db.QueryRowContext(",
        ..fault(12, "a disk that is slow to flush")
    },
    Case {
        parts: STORES,
        mix: STORED,
        switch: Switch::Shop("census=always"),
        rate: Some(60.0),
        kinds: &["cache"],
        names: &["basket.(*Shelf).Visit", "keys"],
        code: "client.Keys(",
        ..fault(13, "a command that looks at every key")
    },
    Case {
        parts: STORES,
        mix: &[("/basket", 1)],
        switch: Switch::Shop("redial=always"),
        kinds: &["connect"],
        names: &["basket.(*Shelf).Visit"],
        code: "client.Get(",
        ..fault(14, "a new connection for each command")
    },
    Case {
        parts: SHOP,
        mix: &[("/recommend", 10), CATALOGUE, SEARCH, ORDER, IMAGE, FEED],
        switch: Switch::Downstream("delay={}us"),
        dose: Some(10_000.0),
        most: 1_000_000.0,
        kinds: &["downstream"],
        names: &["recommend.(*Client)"],
        says: &["Related"],
        code: "client.Do(",
        ..fault(26, "the called service became slow")
    },
    Case {
        mix: &[("/feed", 5), CATALOGUE, SEARCH, ORDER, RECOMMEND, IMAGE],
        switch: Switch::Shop("subscribe=always"),
        kinds: &["goroutine-leak"],
        names: &["feed.(*Hub)"],
        ..fault(27, "goroutines that never end")
    },
    Case {
        prepare: &[Switch::Downstream("delay=2ms")],
        mix: &[("/recommend", 6), CATALOGUE, SEARCH, ORDER, IMAGE, FEED],
        switch: Switch::Shop("renew=always"),
        rate: Some(1_000.0),
        kinds: &["lock"],
        names: &["recommend.(*Client).renew", "recommend.(*Client).ask"],
        code: "c.ask(ctx, rc, id)",
        ..fault(3, "a call while a mutex is held")
    },
    Case {
        parts: &[Part::Supplier],
        mix: &[("/availability", 6), CATALOGUE, SEARCH, IMAGE],
        switch: Switch::Wire,
        dose: Some(1_500.0),
        most: 500_000.0,
        kinds: &["network"],
        names: &["suppliers"],
        code: "c.conn.Invoke(",
        ..fault(15, "a longer way to the called service")
    },
    Case {
        parts: &[Part::Supplier],
        prepare: &[Switch::Supplier("work-time=20ms")],
        mix: &[("/availability", 6), CATALOGUE, SEARCH, IMAGE],
        switch: Switch::Supplier("streams={}"),
        dose: Some(7.0),
        most: 1_000.0,
        rate: Some(800.0),
        kinds: &["pool"],
        names: &["supply.(*Client)"],
        says: &["open streams"],
        code: "c.conn.Invoke(",
        ..fault(16, "few concurrent streams on a connection")
    },
    Case {
        parts: &[Part::Supplier],
        mix: &[("/availability", 6), CATALOGUE, SEARCH, IMAGE],
        switch: Switch::Supplier("recount={}"),
        dose: Some(12.0),
        most: 1_000.0,
        kinds: &["retry"],
        names: &["supply.(*Client)"],
        code: "c.ask(ctx, rc, item)",
        ..fault(17, "errors that are asked again after a pause")
    },
    Case {
        parts: &[Part::SecureDownstream],
        // A handshake costs milliseconds of CPU on either side.
        mix: &[("/recommend", 2), CATALOGUE, SEARCH, ORDER, IMAGE, FEED],
        switch: Switch::Shop("hang-up=always"),
        kinds: &["connect"],
        names: &["recommend.(*Client)"],
        code: "client.Do(",
        ..fault(18, "a connection for each call")
    },
    Case {
        parts: &[Part::Downstream, Part::Log],
        switch: Switch::Shop("flush-lines=1&log-steps={}"),
        rate: Some(500.0),
        dose: Some(4.0),
        most: 100.0,
        kinds: &["disk", "lock"],
        names: &["journal.(*Journal)", "os.(*File)"],
        code: "j.file.Sync()",
        ..fault(19, "a log that is flushed to its disk")
    },
    Case {
        mix: &[("/search?q=oak+mug", 4), CATALOGUE, ORDER, IMAGE, FEED],
        memory: Some("192MiB"),
        switch: Switch::Shop("history={}"),
        dose: Some(3_000.0),
        most: 100_000.0,
        rate: Some(300.0),
        kinds: &["memory-leak"],
        // Where it is allocated: who keeps it is in no profile.
        names: &["search.trail"],
        ..fault(24, "memory that is kept, up to the limit")
    },
    Case {
        parts: &[Part::Desk],
        mix: &[("/stamp", 1), ("/ticket", 3), ("/letter", 1)],
        switch: Switch::Shop("dry={}us"),
        dose: Some(6_000.0),
        most: 100_000.0,
        rate: Some(300.0),
        kinds: &["blocked-worker"],
        names: &["workers", "stamp"],
        ..fault(25, "a blocking call on an asynchronous worker")
    },
    Case {
        mix: EVEN,
        switch: Switch::Quota,
        dose: Some(70.0),
        most: 200.0,
        kinds: &["cpu-limit"],
        names: &["CPU quota"],
        ..fault(6, "a quota of the control group below demand")
    },
    Case {
        mix: EVEN,
        apart: true,
        switch: Switch::Burner,
        dose: Some(11.0),
        most: 19.0,
        kinds: &["noisy-neighbour"],
        names: &["other processes"],
        ..fault(20, "another process burns the CPU")
    },
];
