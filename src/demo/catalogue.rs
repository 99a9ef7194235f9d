//! The shop's products. Made up once, the same on every start.

use serde::Serialize;

/// Products in the catalogue.
pub(super) const PRODUCTS: u32 = 4000;
/// Products on a page.
pub(super) const PAGE: u32 = 40;
/// Months of sales that a product remembers.
pub(super) const MONTHS: usize = 24;

/// A product.
#[derive(Debug, Serialize)]
pub(super) struct Product {
    /// From 0.
    pub(super) id: u32,
    /// Name, unique.
    pub(super) name: String,
    /// What it is.
    pub(super) description: String,
    /// Cost to the shop in cents.
    pub(super) cost: u32,
    /// Price in cents when nothing is worked out anew.
    pub(super) price: u32,
    /// Pieces sold per month, oldest first.
    #[serde(skip)]
    pub(super) sales: [f64; MONTHS],
}

/// Makes all products up.
pub(super) fn products() -> Vec<Product> {
    const KINDS: [&str; 8] = ["lamp", "chair", "kettle", "shelf", "mirror", "rug", "clock", "vase"];
    const STYLES: [&str; 6] = ["plain", "tall", "folding", "oak", "copper", "striped"];
    let mut noise = Noise(42);
    let mut make = |id: u32| {
        let kind = KINDS[id as usize % KINDS.len()];
        let style = STYLES[id as usize / KINDS.len() % STYLES.len()];
        let cost = 500 + noise.below(20_000);
        let mut sales = [0.0; MONTHS];
        sales.fill_with(|| 5.0 + f64::from(noise.below(200)));
        Product {
            id,
            name: format!("{style} {kind} {id}"),
            description: format!("A {style} {kind} for every room, in {} colours.", 1 + noise.below(9)),
            cost,
            price: cost * 3 / 2,
            sales,
        }
    };
    (0..PRODUCTS).map(&mut make).collect()
}

/// A linear congruential generator (Knuth's MMIX constants): the catalogue needs variety, not randomness.
struct Noise(u64);

impl Noise {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The upper bits are the good ones.
        ((self.0 >> 33) % u64::from(bound)) as u32
    }
}
