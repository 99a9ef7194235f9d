//! The connections of HTTP/2 that a thread's lanes share.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Mutex;

use super::worker::Worker;
use crate::load::connect::{OpenError, OpenTimes};
use crate::load::session::SharedLink;

/// Connections of one thread; lane `i` uses number `i / streams`, so that they fill up one after the other.
#[derive(Debug, Default)]
pub(crate) struct Links(RefCell<Vec<Rc<Place>>>);

/// Where one connection is, or will be.
#[derive(Debug, Default)]
struct Place {
    link: RefCell<Option<SharedLink>>,
    /// Held by the lane that opens it; the others wait.
    opening: Mutex<()>,
}

impl Links {
    /// The connection of a lane, opened if there is none that takes more requests. `times` says what opening
    /// took; lanes that only waited for it have no such phase.
    pub(crate) async fn of(
        &self,
        worker: &Rc<Worker>,
        lane: usize,
        times: &mut OpenTimes,
    ) -> Result<SharedLink, OpenError> {
        let place = self.place(lane / worker.plan.streams.max(1));
        if let Some(link) = place.usable() {
            return Ok(link);
        }
        let _turn = place.opening.lock().await;
        if let Some(link) = place.usable() {
            return Ok(link);
        }
        let stream = worker.plan.connector.open(times).await?;
        let link = SharedLink::new(stream, worker.plan.clock);
        tokio::task::spawn_local(drive(Rc::clone(worker), link.clone()));
        if let Some(old) = place.link.replace(Some(link.clone())) {
            // Ends once the server has: answers may still be on their way.
            drop(old);
        }
        Ok(link)
    }

    fn place(&self, number: usize) -> Rc<Place> {
        let mut places = self.0.borrow_mut();
        while places.len() <= number {
            places.push(Rc::default());
        }
        Rc::clone(&places[number])
    }

    /// Closes all of them.
    pub(crate) fn close(&self) {
        for place in self.0.borrow().iter() {
            if let Some(link) = place.link.borrow().as_ref() {
                link.close();
            }
        }
    }
}

impl Place {
    fn usable(&self) -> Option<SharedLink> {
        self.link.borrow().as_ref().filter(|link| link.reusable()).cloned()
    }
}

async fn drive(worker: Rc<Worker>, link: SharedLink) {
    worker.link_opened();
    link.drive().await;
    worker.link_closed();
}
