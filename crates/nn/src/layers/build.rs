//! From a configuration to parameters, and from parameters to layers.

use super::dense::Dense;
use super::dropout::{Dropout, SpatialDropout};
use super::input::{Embedding, Input};
use super::pooling::{ConcatPooling, Pooling, PoolingKind};
use super::recurrent::{self, Bidirectional, Recurrent};
use super::residual::Residual;
use super::Layer;
use crate::config::{Config, Initializer, LayerConfig, Limits, Regularizer};
use crate::initializers::{Draw, Fans};
use crate::parameters::View;
use crate::Error;

/// Columns of a layer's output, and whether it has a row a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) columns: usize,
    pub(crate) per_step: bool,
}

/// Parameters of a model while they are listed.
pub(crate) struct Planner<'a> {
    config: &'a Config,
    views: &'a mut Vec<View>,
    layer: usize,
    prefix: String,
    trainable: bool,
}

impl Planner<'_> {
    /// Lists a parameter of the layer.
    pub(crate) fn add(
        &mut self,
        name: &str,
        shape: &[usize],
        draw: Draw,
        regularizer: Option<Regularizer>,
    ) -> Result<(), Error> {
        let name = format!("{}.{name}", self.prefix);
        let total = self.views.last().map_or(0, |view| view.range().end);
        let count = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        let end = count.and_then(|count| total.checked_add(count)).filter(|&end| end <= Limits::PARAMETERS);
        if end.is_none() {
            return Err(Error::Argument(format!(
                "layers[{}] must keep the model within {} parameters, got {name} of shape {shape:?}",
                self.layer,
                Limits::PARAMETERS
            )));
        }
        self.views.push(View {
            name,
            shape: shape.to_vec(),
            trainable: self.trainable,
            layer: self.layer,
            offset: total,
            draw,
            regularizer,
        });
        Ok(())
    }

    /// Lists the parameters of a layer inside this one, under a longer name.
    pub(crate) fn within(
        &mut self,
        name: &str,
        trainable: bool,
        list: impl FnOnce(&mut Planner<'_>) -> Result<Shape, Error>,
    ) -> Result<Shape, Error> {
        list(&mut Planner {
            config: self.config,
            views: &mut *self.views,
            layer: self.layer,
            prefix: format!("{}.{name}", self.prefix),
            trainable: self.trainable && trainable,
        })
    }

    /// An error that names the layer.
    pub(crate) fn refuse(&self, text: &str) -> Error {
        Error::Argument(format!("layers[{}]{text}", self.layer))
    }

    /// The configuration of another layer, by its name.
    pub(crate) fn layer_named(&self, name: &str) -> Option<&LayerConfig> {
        self.config.layers.iter().find(|layer| layer.name() == name)
    }
}

/// A matrix `[rows, columns]` and a bias, as drawn for a linear layer with `inputs` numbers an output.
pub(crate) fn linear_draws(kernel: Initializer, bias: Initializer, rows: usize, columns: usize) -> (Draw, Draw) {
    let pytorch = 1.0 / libm::sqrt(rows as f64);
    let draw = Draw::new(kernel, Fans { input: rows, output: columns }, pytorch, 1, 1);
    (draw, Draw::new(bias, Fans { input: columns, output: columns }, pytorch, 1, 1))
}

/// What a layer is made from.
#[derive(Clone)]
pub(crate) struct Building<'a> {
    /// Position in the model.
    pub(crate) layer: u32,
    pub(crate) input: Shape,
    /// The layer after this one.
    pub(crate) next: Option<&'a LayerConfig>,
    views: &'a [View],
    pub(crate) prefix: String,
}

impl<'a> Building<'a> {
    /// The parameter of the layer with this name.
    pub(crate) fn view(&self, name: &str) -> View {
        self.find(&format!("{}.{name}", self.prefix)).expect("the plan made this parameter")
    }

    /// The parameter of the layer with this name, if it has one.
    pub(crate) fn optional(&self, name: &str) -> Option<View> {
        self.find(&format!("{}.{name}", self.prefix))
    }

    /// A parameter by its whole name.
    pub(crate) fn find(&self, name: &str) -> Option<View> {
        self.views.iter().find(|view| view.name == name).cloned()
    }

    /// The same for a layer inside this one.
    pub(crate) fn within(&self, name: &str) -> Building<'a> {
        Building { prefix: format!("{}.{name}", self.prefix), ..self.clone() }
    }
}

/// Parameters of a configuration, and the shape of every layer's output.
pub(crate) fn plan(config: &Config) -> Result<(Vec<View>, Vec<Shape>), Error> {
    let mut views = Vec::new();
    let mut shapes: Vec<Shape> = Vec::new();
    let mut shape = Shape { columns: 0, per_step: true };
    for (layer, description) in config.layers.iter().enumerate() {
        let trainable = description.trainable();
        let prefix = description.name().to_owned();
        shape = plan_layer(description, shape, &mut Planner { config, views: &mut views, layer, prefix, trainable })?;
        shapes.push(shape);
    }
    Ok((views, shapes))
}

/// Parameters of one layer; the shape of its output.
pub(crate) fn plan_layer(layer: &LayerConfig, input: Shape, planner: &mut Planner<'_>) -> Result<Shape, Error> {
    let pooled = |columns| Ok(Shape { columns, per_step: false });
    match layer {
        LayerConfig::Input(config) => Ok(Shape { columns: config.features, ..input }),
        LayerConfig::Embedding(config) => super::input::plan_embedding(config, input, planner),
        LayerConfig::Lstm(config) => recurrent::plan_lstm(config, input, planner),
        LayerConfig::Gru(config) => recurrent::plan_gru(config, input, planner),
        LayerConfig::SimpleRnn(config) => recurrent::plan_simple_rnn(config, input, planner),
        LayerConfig::Bidirectional(config) => recurrent::plan_bidirectional(config, input, planner),
        LayerConfig::Residual(config) => super::residual::plan(config, input, planner),
        LayerConfig::Dense(config) => super::dense::plan(config, input, planner),
        LayerConfig::Dropout(_) | LayerConfig::SpatialDropout(_) => Ok(input),
        LayerConfig::LayerNormalization(config) => super::layer_normalization::plan(config, input, planner),
        LayerConfig::GlobalAveragePooling(_) | LayerConfig::GlobalMaxPooling(_) => pooled(input.columns),
        LayerConfig::ConcatPooling(_) => pooled(2 * input.columns),
        LayerConfig::AttentionPooling(config) => super::attention_pooling::plan(config, input, planner),
        LayerConfig::Conv1d(config) => super::conv1d::plan(config, input, planner),
        LayerConfig::Crf(config) => super::crf::plan(config, input, planner),
    }
}

/// The layers of a configuration over these parameters.
pub(crate) fn build(config: &Config, views: &[View], shapes: &[Shape]) -> Vec<Box<dyn Layer>> {
    let mut input = Shape { columns: 0, per_step: true };
    let mut layers = Vec::new();
    for (index, layer) in config.layers.iter().enumerate() {
        let next = config.layers.get(index + 1);
        let prefix = layer.name().to_owned();
        layers.push(build_layer(layer, &Building { layer: index as u32, input, next, views, prefix }));
        input = shapes[index];
    }
    layers
}

/// One layer.
pub(crate) fn build_layer(layer: &LayerConfig, building: &Building<'_>) -> Box<dyn Layer> {
    match layer {
        LayerConfig::Input(config) => Box::new(Input { features: config.features }),
        LayerConfig::Embedding(config) => Box::new(Embedding::new(config, building)),
        LayerConfig::Lstm(_) | LayerConfig::Gru(_) | LayerConfig::SimpleRnn(_) => {
            Box::new(Recurrent::new(layer, building))
        }
        LayerConfig::Bidirectional(config) => Box::new(Bidirectional::new(config, building)),
        LayerConfig::Residual(config) => Box::new(Residual::new(config, building)),
        LayerConfig::Dense(config) => Box::new(Dense::new(config, building)),
        LayerConfig::Dropout(config) => Box::new(Dropout::new(building.layer, config.rate)),
        LayerConfig::SpatialDropout(config) => Box::new(SpatialDropout::new(building.layer, config.rate)),
        LayerConfig::LayerNormalization(config) => {
            Box::new(super::layer_normalization::LayerNormalization::new(config, building))
        }
        LayerConfig::GlobalAveragePooling(_) => Box::new(Pooling::new(PoolingKind::Average)),
        LayerConfig::GlobalMaxPooling(_) => Box::new(Pooling::new(PoolingKind::Max)),
        LayerConfig::ConcatPooling(_) => Box::new(ConcatPooling::new()),
        LayerConfig::AttentionPooling(config) => {
            Box::new(super::attention_pooling::AttentionPooling::new(config, building))
        }
        LayerConfig::Conv1d(config) => Box::new(super::conv1d::Conv1d::new(config, building)),
        LayerConfig::Crf(config) => Box::new(super::crf::Crf::new(config, building)),
    }
}
