/** The error of an image that cannot be used. */
import { InputError, type XComposerErrorOptions } from '../common/errors.js'

/** A file or bytes that are no image, or none that is taken; code `invalid_image`. The message starts with the image's name. */
export class ImageError extends InputError {
  constructor(message: string, options: XComposerErrorOptions = {}) {
    super(message, { code: 'invalid_image', ...options })
  }
}
