// Subjects people would ask an article about, by hand, with the concepts that belong to them (icon names).

export interface Theme {
  readonly en: string
  readonly zh: string
  readonly icons: readonly string[]
}

// en | zh | icons
const table = `
breakfast|早餐|bread egg cooking pancakes croissant hot-beverage glass-of-milk bagel waffle butter honey-pot
the sea|大海|dolphin spouting-whale fish octopus crab spiral-shell sailboat water-wave tropical-fish turtle shark coral
a day at the beach|海滩上的一天|beach-with-umbrella sunglasses bikini spiral-shell sun sailboat ice-cream crab thong-sandal
the farm|农场|tractor cow pig rooster sheaf-of-rice horse goat ewe hatching-chick ear-of-corn
the zoo|动物园|lion elephant giraffe monkey zebra panda kangaroo hippopotamus penguin tiger
winter|冬天|snowflake snowman skis scarf gloves ice-skate snowman-without-snow sled coat
spring|春天|cherry-blossom tulip seedling butterfly honeybee blossom rainbow
autumn|秋天|fallen-leaf maple-leaf chestnut mushroom jack-o-lantern umbrella-with-rain-drops
summer|夏天|sun watermelon ice-cream sunflower sunglasses beach-with-umbrella shaved-ice
a birthday party|生日聚会|birthday-cake balloon wrapped-gift party-popper confetti-ball cupcake candle
the kitchen|厨房|cooking kitchen-knife pot-of-food fork-and-knife spoon teapot salt bowl-with-spoon
school|学校|school backpack pencil books notebook triangular-ruler crayon memo
space|太空|rocket flying-saucer satellite ringed-planet milky-way telescope full-moon comet
the garden|花园|rose sunflower tulip butterfly honeybee lady-beetle snail seedling potted-plant
camping|露营|camping tent fire flashlight backpack motor-boat mountain fishing-pole
chinese new year|春节|red-envelope firecracker dragon dumpling red-paper-lantern fireworks
music|音乐|guitar violin trumpet drum musical-keyboard saxophone microphone musical-note headphone
the city|城市|cityscape bus taxi vertical-traffic-light office-building department-store bridge-at-night metro
healthy food|健康食品|broccoli carrot red-apple green-salad tomato banana grapes cucumber leafy-green
fruit salad|水果沙拉|red-apple banana grapes strawberry kiwi-fruit pineapple mango melon
the night sky|夜空|crescent-moon full-moon star shooting-star milky-way glowing-star night-with-stars
sports|体育|soccer-ball basketball tennis baseball volleyball boxing-glove trophy badminton
a picnic|野餐|sandwich watermelon red-apple bread cheese-wedge basket bottle-with-popping-cork
travel|旅行|airplane luggage world-map train camera hotel passenger-ship compass
the doctor|看医生|stethoscope syringe pill thermometer hospital adhesive-bandage ambulance
the office|办公室|briefcase laptop paperclip calendar printer file-folder card-index pushpin
pets|宠物|dog cat rabbit hamster tropical-fish parrot turtle
insects|昆虫|butterfly honeybee ant lady-beetle cricket beetle mosquito fly
birds|鸟类|eagle owl parrot penguin duck swan flamingo peacock dove
the forest|森林|deciduous-tree evergreen-tree deer owl mushroom fox bear hedgehog
the desert|沙漠|camel two-hump-camel cactus desert scorpion lizard snake
japan|日本|sushi mount-fuji cherry-blossom japanese-castle shinto-shrine bento-box dango
weather|天气|sun cloud-with-rain cloud-with-snow tornado rainbow umbrella cloud-with-lightning fog
tools|工具|hammer wrench screwdriver axe carpentry-saw ladder toolbox
drinks|饮料|hot-beverage teacup-without-handle bubble-tea tropical-drink beer-mug wine-glass cup-with-straw
desserts|甜点|birthday-cake doughnut cookie ice-cream chocolate-bar cupcake pie candy custard
fast food|快餐|hamburger french-fries pizza hot-dog taco burrito sandwich
things that fly|会飞的东西|airplane helicopter kite eagle balloon rocket butterfly flying-saucer
art|艺术|artist-palette framed-picture performing-arts paintbrush thread yarn crayon
games|游戏|video-game chess-pawn game-die joker puzzle-piece bowling joystick
`

/** Hand-picked subjects. */
export const themes: readonly Theme[] = table
  .trim()
  .split('\n')
  .map((line) => {
    const [en = '', zh = '', icons = ''] = line.split('|')
    return { en, zh, icons: icons.split(' ') }
  })
