//! Prices: the list price, or one worked out from past sales.

use std::time::Duration;

use super::catalogue::{MONTHS, PAGE, Product};
use super::work;

/// CPU time that a page's prices take when they are worked out anew.
const COST_OF_A_PAGE: Duration = Duration::from_millis(2);

/// How finely prices are searched: candidates per product.
pub(super) fn fitting_candidates(products: &[Product]) -> u32 {
    let page: Vec<&Product> = products.iter().take(PAGE as usize).collect();
    work::repeats_for(COST_OF_A_PAGE, |candidates| {
        std::hint::black_box(reprice(&page, candidates));
    })
}

/// The price in cents with the highest expected profit of each product: tries `candidates` prices from the
/// cost to three times the cost against a falling demand curve fitted to the sales of every past month.
///
/// Written as plain loops over indices, so that profiles of unoptimised builds name this function too and
/// not the insides of iterators.
#[inline(never)]
pub(super) fn reprice(products: &[&Product], candidates: u32) -> Vec<u32> {
    let mut prices = Vec::with_capacity(products.len());
    let mut i = 0;
    while i < products.len() {
        let product = products[i];
        let cost = f64::from(product.cost);
        let (mut best_price, mut best_profit) = (product.price, f64::MIN);
        let mut candidate = 0;
        while candidate < candidates {
            let margin = 2.0 * f64::from(candidate) / f64::from(candidates);
            let mut profit = 0.0;
            let mut month = 0;
            while month < MONTHS {
                // Demand halves for each half of the cost that is added (rational approximation of 4^-x).
                let demand = product.sales[month] / (1.0 + 1.386 * margin + 0.961 * margin * margin);
                let age = (MONTHS - month) as f64;
                profit += demand * margin * cost / age;
                month += 1;
            }
            if profit > best_profit {
                best_profit = profit;
                // At most three times a cost of 20,500 cents.
                best_price = (cost * (1.0 + margin)) as u32;
            }
            candidate += 1;
        }
        prices.push(best_price);
        i += 1;
    }
    prices
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::products;
    use super::*;

    #[test]
    fn the_best_price_is_where_profit_peaks() {
        let products = products();
        let page: Vec<&Product> = products.iter().take(3).collect();
        // Profit is proportional to m / (1 + a m + b m^2), which peaks at m = 1 / sqrt(b) = 1.0201.
        for (price, product) in reprice(&page, 20_000).into_iter().zip(&page) {
            let expected = f64::from(product.cost) * 2.0201;
            assert!((f64::from(price) - expected).abs() <= expected * 0.001, "{price} {expected}");
        }
    }
}
