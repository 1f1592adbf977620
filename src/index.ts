/**
 * The library: load a model, chat about images, compose articles, train and measure. What is not exported here may change.
 *
 * @example
 * const model = await XComposer.load()
 * const answer = chat(model, [
 *   { role: 'user', content: [{ type: 'image', image: 'cat.png' }, { type: 'text', text: 'What is this?' }] },
 * ])
 * for await (const piece of answer) process.stdout.write(piece)
 * await model.dispose()
 */

// Models: download, load, look at, make small

export { type PullOptions, pull } from './checkpoint/hub.js'
export type { LoadOptions } from './inference/decoder-runtime.js'
export type { CacheStatistics } from './inference/prefix-cache.js'
export { XComposer } from './inference/xcomposer.js'
export { type ModelConfig, parseModelConfig } from './model/config.js'
export { type Inspection, inspect } from './model/inspect.js'
export { type QuantizationReport, type QuantizeOptions, quantizeModel } from './quantize/quantize-model.js'
export { Tokenizer } from './text/tokenizer.js'

// Chat

export { cacheStatistics, clearCaches } from './chat/caches.js'
export {
  type AnswerFormat,
  type ChatAnswer,
  type ChatContentPart,
  type ChatImage,
  type ChatMessage,
  type ChatOptions,
  type ChatResult,
  chat,
  countTokens,
  type SamplingOptions,
} from './chat/chat.js'
export { type ChatBatchOptions, chatBatch } from './chat/chat-batch.js'
export { type CompleteOptions, complete } from './chat/complete.js'
export { type Embeddable, type EmbeddedInput, type EmbedOptions, embed } from './chat/embed.js'
export type { ImageView } from './chat/image-views.js'
export { type LikeliestAnswersOptions, type LikelyAnswer, type LikelyAnswers, likeliestAnswers } from './chat/likeliest.js'
export {
  type AdapterOff,
  type Inside,
  type InsideAttention,
  type InsideToken,
  type LookInsideOptions,
  lookInside,
  type TokenProbability,
} from './chat/look-inside.js'
export type { ImageSource } from './image/source.js'

// Illustrated articles

export { type Article, type ArticleImage, type ArticleSection, type ComposeOptions, compose } from './compose/compose.js'
export { composerModel } from './compose/model-composer.js'
export type { ComposePrompt, ComposerModel } from './compose/prompt.js'
export { renderHtml, writeArticle } from './compose/render-html.js'
export { type Library, type LibraryItem, openLibrary } from './library/library.js'

// Training

export { describeRecipe, loadRecipe, type Recipe } from './train/recipe.js'
export { type TrainOptions, type TrainResult, train } from './train/train.js'

// Measuring

export { type Question, readQuestions } from './data/questions.js'
export { type AnswererOptions, batchAnswerer, modelAnswerer } from './evaluate/answerer.js'
export { majorityAnswer } from './evaluate/baselines.js'
export { type Answerer, type BatchAnswerer, evaluate, type Prediction } from './evaluate/evaluate.js'
export { type Report, reportTable, type Score } from './evaluate/report.js'

// Errors

export { AbortedError, DisposedError, type ErrorCode, InputError, XComposerError } from './common/errors.js'
