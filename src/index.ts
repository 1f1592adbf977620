/**
 * The library: load a model, chat about images, compose articles, train and measure. What is not exported here may change.
 *
 * @example
 * const model = await XComposer.load()
 * const messages: ChatMessage[] = [
 *   { role: 'user', content: [{ type: 'image', image: { file: 'cat.png' } }, { type: 'text', text: 'What is this?' }] },
 * ]
 * for await (const piece of chat(model, messages)) process.stdout.write(piece)
 * model.dispose()
 */

export { type ChatImage, type ChatMessage, type ChatOptions, type ChatResult, chat } from './chat/chat.js'
export { type ChatBatchOptions, chatBatch } from './chat/chat-batch.js'
export { InputError, XComposerError } from './common/errors.js'
export { type Article, type ArticleImage, type ArticleSection, type ComposeOptions, compose } from './compose/compose.js'
export { composerModel } from './compose/model-composer.js'
export type { ComposePrompt, ComposerModel } from './compose/prompt.js'
export { renderHtml, writeArticle } from './compose/render-html.js'
export { type Question, readQuestions } from './data/questions.js'
export { majorityAnswer } from './evaluate/baselines.js'
export { type Answerer, type BatchAnswerer, evaluate, type Prediction } from './evaluate/evaluate.js'
export { type Report, reportTable, type Score } from './evaluate/report.js'
export { XComposer } from './inference/xcomposer.js'
export { type Library, type LibraryItem, openLibrary } from './library/library.js'
export { type ModelConfig, parseModelConfig } from './model/config.js'
export { type Inspection, inspect } from './model/inspect.js'
export { Tokenizer } from './text/tokenizer.js'
export { describeRecipe, loadRecipe, type Recipe } from './train/recipe.js'
export { type TrainOptions, type TrainResult, train } from './train/train.js'
