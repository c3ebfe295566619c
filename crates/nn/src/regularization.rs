//! L1 and L2 on parameters and on outputs: what the loss grows by, and the gradients.

use crate::config::Regularizer;
use crate::parameters::View;

impl Regularizer {
    fn value(self, values: &[f32]) -> f64 {
        let (mut magnitudes, mut squares) = (0.0, 0.0);
        for &x in values {
            magnitudes += f64::from(x.abs());
            squares += f64::from(x) * f64::from(x);
        }
        self.l1 * magnitudes + self.l2 * squares
    }

    /// Adds `share` of the slope by every value.
    fn add_gradient(self, values: &[f32], share: f64, gradient: &mut [f32]) {
        let (l1, l2) = ((self.l1 * share) as f32, (2.0 * self.l2 * share) as f32);
        for (to, &x) in gradient.iter_mut().zip(values) {
            let sign = if x > 0.0 {
                l1
            } else if x < 0.0 {
                -l1
            } else {
                0.0
            };
            *to += l2.mul_add(x, sign);
        }
    }
}

/// Regularized parameters that learn.
fn regularized(views: &[View]) -> impl Iterator<Item = (&View, Regularizer)> {
    views.iter().filter(|view| view.trainable).filter_map(|view| Some((view, view.regularizer?)))
}

/// What the loss grows by for the parameters.
pub(crate) fn of_parameters(views: &[View], values: &[f32]) -> f64 {
    regularized(views).map(|(view, regularizer)| regularizer.value(&values[view.range()])).sum()
}

/// Adds the gradients of [`of_parameters`].
pub(crate) fn add_parameter_gradients(views: &[View], values: &[f32], gradients: &mut [f32]) {
    for (view, regularizer) in regularized(views) {
        regularizer.add_gradient(&values[view.range()], 1.0, &mut gradients[view.range()]);
    }
}

/// What the loss grows by for outputs of a layer, per sequence of the whole batch, as in Keras.
pub(crate) fn activity(regularizer: Regularizer, out: &[f32], sequences: usize) -> f64 {
    regularizer.value(out) / sequences.max(1) as f64
}

/// Adds the gradient of [`activity`].
pub(crate) fn add_activity_gradient(regularizer: Regularizer, out: &[f32], sequences: usize, dy: &mut [f32]) {
    regularizer.add_gradient(out, 1.0 / sequences.max(1) as f64, dy);
}
