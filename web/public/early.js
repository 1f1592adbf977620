// Before the first paint: the theme and language that were chosen, so that nothing flashes.
try {
  const { theme, language } = JSON.parse(localStorage.getItem('xcomposer.preferences') || '{}')
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
  if (language === 'zh') document.documentElement.lang = 'zh-Hans'
} catch {
  // Storage is off or holds something else: the defaults are right.
}
