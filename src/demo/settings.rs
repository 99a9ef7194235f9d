//! Settings that can be changed while the shop serves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::DemoError;
use super::routes::Shop;

/// A setting that can be switched on and off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Every product page works its prices out anew.
    Reprice,
    /// Every reservation walks the whole stock under the stock's lock.
    StockAudit,
}

/// All settings with their names.
pub const SWITCHES: [(&str, Switch); 2] = [("reprice", Switch::Reprice), ("stock-audit", Switch::StockAudit)];

impl Switch {
    /// The setting of that name.
    ///
    /// # Errors
    /// [`DemoError::UnknownSwitch`] if there is none.
    pub fn named(name: &str) -> Result<Self, DemoError> {
        let found = SWITCHES.iter().find(|(known, _)| *known == name);
        found.map(|(_, switch)| *switch).ok_or_else(|| DemoError::UnknownSwitch(name.to_owned()))
    }
}

/// What is switched on now.
#[derive(Debug, Default)]
pub(super) struct Settings {
    reprice: AtomicBool,
    stock_audit: AtomicBool,
}

impl Settings {
    pub(super) fn is_on(&self, switch: Switch) -> bool {
        self.flag(switch).load(Ordering::Relaxed)
    }

    pub(super) fn set(&self, switch: Switch, on: bool) {
        self.flag(switch).store(on, Ordering::Relaxed);
    }

    const fn flag(&self, switch: Switch) -> &AtomicBool {
        match switch {
            Switch::Reprice => &self.reprice,
            Switch::StockAudit => &self.stock_audit,
        }
    }
}

/// Sets a switch after a while.
pub(super) async fn later(shop: Arc<Shop>, switch: Switch, on: bool, after: Duration) {
    tokio::time::sleep(after).await;
    shop.settings.set(switch, on);
}

/// What `POST /admin/set?..` asks for.
#[derive(Debug, PartialEq)]
pub(super) struct Change {
    pub(super) switches: Vec<(Switch, bool)>,
    pub(super) after: Duration,
}

impl Change {
    /// Reads the pairs of a query.
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Self, String> {
        let mut change = Self { switches: Vec::new(), after: Duration::ZERO };
        for (key, value) in pairs {
            if key == "after" {
                let seconds: Option<f64> = value.parse().ok().filter(|s| (0.0..=86_400.0).contains(s));
                change.after = seconds
                    .map(Duration::from_secs_f64)
                    .ok_or_else(|| format!("after={value}: write seconds from 0 to 86400"))?;
                continue;
            }
            let on = match value.as_str() {
                "on" | "true" | "1" => true,
                "off" | "false" | "0" => false,
                _ => return Err(format!("{key}={value}: write on or off")),
            };
            change.switches.push((Switch::named(key).map_err(|e| e.to_string())?, on));
        }
        if change.switches.is_empty() {
            return Err("nothing to set: write e.g. POST /admin/set?reprice=on".into());
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_read_or_refused_with_the_remedy() {
        let read = |query: &[(&str, &str)]| {
            let pairs: Vec<_> = query.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            Change::read(&pairs)
        };
        let change = read(&[("reprice", "on"), ("after", "1.5"), ("stock-audit", "off")]).expect("a change");
        assert_eq!(change.switches, [(Switch::Reprice, true), (Switch::StockAudit, false)]);
        assert_eq!(change.after, Duration::from_millis(1500));
        for (query, part) in [
            (&[("reprise", "on")] as &[_], "no setting `reprise`"),
            (&[("reprice", "maybe")], "on or off"),
            (&[("after", "5")], "nothing to set"),
            (&[("reprice", "on"), ("after", "-1")], "seconds"),
            (&[("reprice", "on"), ("after", "NaN")], "seconds"),
        ] {
            let message = read(query).expect_err("wrong");
            assert!(message.contains(part), "{query:?}: {message}");
        }
    }
}
