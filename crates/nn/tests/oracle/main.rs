//! Whole models against the textbook: a scalar `f64` model with the same masks, and central differences of its loss
//! with respect to every parameter.

mod differences;
mod drawn;
mod features;
mod options;
mod textbook;
