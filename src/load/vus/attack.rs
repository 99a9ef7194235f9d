//! goose, set up to start users and nothing else.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use goose::client::GooseClientBuilder;
use goose::config::{GooseConfiguration, GooseDefault, GooseDefaultType};
use goose::goose::{GooseUser, Scenario, Transaction, TransactionFunction};
use goose::{GooseAttack, GooseError};
use url::Url;

use super::user::{User, Users};
use crate::load::plan::StopFlag;

/// Users that goose starts per second: all of them at once, in effect.
const START_RATE: &str = "1000000";

/// Swallows what goose (and the crates below it) would write to the terminal.
struct Silent;

impl log::Log for Silent {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }
    fn log(&self, _: &log::Record<'_>) {}
    fn flush(&self) {}
}

/// Takes from goose what it would take from the process, unless the program has them already: the logger,
/// and the signal handler, whose second signal ends the process at once. A first signal sets `stop`.
fn keep_process(stop: &StopFlag) {
    let _ = log::set_logger(&Silent);
    let stop = Arc::clone(stop);
    let _ = ctrlc::set_handler(move || stop.store(true, Ordering::Relaxed));
}

/// An attack whose users perform their turns in `users`, with a pause after each.
///
/// goose neither picks journeys nor waits: it would go through a list of at most a few hundred, the rare ones first, so
/// that users of few turns have another mix; and it cuts pauses to whole milliseconds.
///
/// # Errors
/// What goose refuses.
pub(crate) fn attack(
    users: &Arc<Users>,
    base: &Url,
    think_time: Duration,
    stop: &StopFlag,
) -> Result<GooseAttack, GooseError> {
    keep_process(stop);
    let transaction = Transaction::new(turn(Arc::clone(users), think_time));
    let scenario = Scenario::new("loadprof").register_transaction(transaction);
    // One client for all users, since none of them uses it; it accepts any certificate so that building it
    // does not read the machine's trust store.
    let client = GooseClientBuilder::new().without_cookies().accept_invalid_certs(true);
    // A plan by number of users is the one that prints nothing, if metrics are reset after the start.
    let attack = GooseAttack::initialize_with_config(GooseConfiguration::default())?
        .set_client_builder_without_cookies(client)?
        .register_scenario(scenario)
        .set_default(GooseDefault::Host, base.as_str())?
        .set_default(GooseDefault::Users, users.shape.most())?
        .set_default(GooseDefault::IncreaseRate, START_RATE)?
        .set_default(GooseDefault::Quiet, 2)?
        .set_default(GooseDefault::NoTelnet, true)?
        .set_default(GooseDefault::NoMetrics, true)?
        .set_default(GooseDefault::NoPrintMetrics, true)?
        .set_default(GooseDefault::NoErrorSummary, true)?;
    Ok(*attack)
}

/// The only transaction: one turn of the user that runs it, and its pause.
fn turn(users: Arc<Users>, think_time: Duration) -> TransactionFunction {
    Arc::new(move |goose: &mut GooseUser| {
        let users = Arc::clone(&users);
        Box::pin(async move {
            if goose.get_session_data::<Seat>().is_none() {
                goose.set_session_data(Seat(Some(User::new(&users, goose.weighted_users_index))));
            }
            if let Some(Seat(Some(user))) = goose.get_session_data_mut::<Seat>() {
                user.turn(&users).await;
                if !think_time.is_zero() {
                    tokio::time::sleep(think_time).await;
                }
            }
            Ok(())
        })
    })
}

/// A user in goose's session data.
struct Seat(Option<User>);

impl Clone for Seat {
    /// goose asks for it but never does it; a connection cannot be shared, so a copy is an empty seat.
    fn clone(&self) -> Self {
        Self(None)
    }
}
