/** `xcomposer/train`: training recipes and the trainer. */

export { describeRecipe, loadRecipe, type Recipe } from './recipe.js'
export { type TrainOptions, type TrainResult, train } from './train.js'
