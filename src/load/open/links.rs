//! The connections of HTTP/2 that a thread's lanes share.

use std::cell::RefCell;
use std::rc::Rc;

use tokio::sync::Mutex;

use super::worker::Worker;
use crate::load::connect::{OpenError, OpenTimes};
use crate::load::connections::Connections;
use crate::load::hit::Problem;
use crate::load::http1::conn::Outgoing;
use crate::load::http2::mux::Answer;
use crate::load::http2::shared::Shared;
use crate::load::plan::Plan;
use crate::load::stream::Stream;

/// A connection of HTTP/2 that lanes of one thread share.
type Link = Shared<Stream>;

/// Connections of one thread; lane `i` uses number `i / streams`, so that they fill up one after the other.
#[derive(Debug, Default)]
pub(crate) struct Links(RefCell<Vec<Rc<Place>>>);

/// Where one connection is, or will be.
#[derive(Debug, Default)]
struct Place {
    link: RefCell<Option<Link>>,
    /// Held by the lane that opens it; the others wait.
    opening: Mutex<()>,
}

impl Links {
    /// The connection of a lane, opened if there is none that takes more requests. `times` says what opening
    /// took; lanes that only waited for it have no such phase. Says whether it had to be waited for.
    async fn of(
        &self,
        worker: &Rc<Worker>,
        lane: usize,
        times: &mut OpenTimes,
    ) -> Result<(Link, bool), OpenError> {
        let place = self.place(lane / worker.plan.streams.max(1));
        if let Some(link) = place.usable() {
            return Ok((link, false));
        }
        let _turn = place.opening.lock().await;
        if let Some(link) = place.usable() {
            return Ok((link, true));
        }
        let watch = worker.attention.watch();
        let stream = worker.plan.connector.open(times).await?;
        let link = Link::new(stream, worker.plan.clock).watched(watch);
        tokio::task::spawn_local(drive(Rc::clone(worker), link.clone()));
        // One that was there before ends once the server has: answers may still be on their way.
        place.link.replace(Some(link.clone()));
        Ok((link, true))
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
    fn usable(&self) -> Option<Link> {
        self.link.borrow().as_ref().filter(|link| link.reusable()).cloned()
    }
}

/// A lane's part in the connections of its thread.
pub(crate) struct Lent {
    worker: Rc<Worker>,
    lane: usize,
    /// For the exchange that comes next.
    link: Option<Link>,
}

impl Lent {
    pub(crate) const fn new(worker: Rc<Worker>, lane: usize) -> Self {
        Self { worker, lane, link: None }
    }
}

impl Connections for Lent {
    async fn ready(&mut self, _: &Plan, times: &mut OpenTimes) -> Result<bool, OpenError> {
        let (link, waited) = self.worker.links.of(&self.worker, self.lane, times).await?;
        self.link = Some(link);
        Ok(waited)
    }

    async fn exchange(&mut self, _: &Plan, request: Outgoing<'_>, answer: Answer<'_>) -> Result<(), Problem> {
        let link = match self.link.take() {
            Some(link) => link,
            None => {
                let mut times = OpenTimes::default();
                self.worker.links.of(&self.worker, self.lane, &mut times).await.map_err(Problem::Open)?.0
            }
        };
        link.exchange(request, answer).await.map_err(Problem::Http2)
    }
}

async fn drive(worker: Rc<Worker>, link: Link) {
    worker.link_opened();
    link.drive().await;
    worker.link_closed();
}
