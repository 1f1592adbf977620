// The kinds of things nano can name: one row per emojibase subgroup, written by hand in both languages.
// It knows nothing of pictures or single concepts; it is the encyclopaedia that articles and answers lean on.

/** What nano says about one kind of thing. `senses` lists the WordNet lexicographer files a gloss may come from. */
export interface Kind {
  readonly en: string
  readonly zh: string
  readonly pluralEn: string
  readonly useEn: string
  readonly useZh: string
  readonly factsEn: readonly string[]
  readonly factsZh: readonly string[]
  readonly senses: readonly number[]
}

type Row = readonly [string, string, string, string, string, string, string, string, readonly number[]]

// subgroup | en | plural | zh | use en | use zh | fact en (two, split by |) | fact zh (two, split by |) | senses
const rows: readonly Row[] = [
  ['animal-mammal', 'mammal', 'mammals', '哺乳动物', 'living with people or in the wild', '与人相伴或生活在野外', 'Mammals are warm and most of them have fur.|A mother mammal feeds her young with milk.', '哺乳动物身体温暖，大多长着毛。|哺乳动物的妈妈用奶喂养孩子。', [5]],
  ['animal-bird', 'bird', 'birds', '鸟', 'flying and singing', '飞翔和歌唱', 'Birds have feathers and wings.|Birds lay eggs in a nest.', '鸟有羽毛和翅膀。|鸟在巢里下蛋。', [5, 13]],
  ['animal-amphibian', 'amphibian', 'amphibians', '两栖动物', 'living in water and on land', '在水里和陆地上生活', 'Amphibians live in water and on land.|Young amphibians grow up in a pond.', '两栖动物能在水里和陆地上生活。|小的两栖动物在池塘里长大。', [5]],
  ['animal-reptile', 'reptile', 'reptiles', '爬行动物', 'living in warm places', '生活在温暖的地方', 'Reptiles have dry skin with scales.|Reptiles like to lie in the sun.', '爬行动物的皮肤干燥，长着鳞片。|爬行动物喜欢晒太阳。', [5]],
  ['animal-marine', 'sea animal', 'sea animals', '海洋动物', 'living in the sea', '生活在海里', 'Sea animals live in the water.|The sea is home to animals of every size.', '海洋动物生活在水里。|大海是大大小小的动物的家。', [5, 13]],
  ['animal-bug', 'small creature', 'small creatures', '小虫', 'living among plants', '生活在植物中间', 'Small creatures crawl or fly in the garden.|Many insects have six legs.', '小虫在花园里爬行或飞舞。|许多昆虫有六条腿。', [5]],
  ['plant-flower', 'flower', 'flowers', '花', 'decorating and giving as a present', '装饰和送礼', 'Flowers are bright and many smell sweet.|Bees visit flowers in spring.', '花朵颜色鲜艳，很多闻起来很香。|春天蜜蜂会来采花。', [20, 6]],
  ['plant-other', 'plant', 'plants', '植物', 'growing in gardens and forests', '长在花园和森林里', 'Plants need light and water.|Plants make the air fresh.', '植物需要阳光和水。|植物让空气变得清新。', [20, 13]],
  ['food-fruit', 'fruit', 'fruits', '水果', 'eating', '吃', 'Fruit grows on plants and is often sweet.|Fruit is a healthy snack.', '水果长在植物上，味道大多很甜。|水果是健康的零食。', [13, 20]],
  ['food-vegetable', 'vegetable', 'vegetables', '蔬菜', 'cooking and eating', '做菜和吃', 'Vegetables grow in fields and gardens.|Vegetables are good for your health.', '蔬菜长在田地和菜园里。|多吃蔬菜对身体好。', [13, 20]],
  ['food-prepared', 'food', 'foods', '食物', 'eating', '吃', 'People cook food at home and in restaurants.|A warm meal tastes good with friends.', '人们在家里和餐馆里做食物。|和朋友一起吃热饭很香。', [13]],
  ['food-asian', 'Asian food', 'Asian foods', '亚洲食物', 'eating', '吃', 'Asian food is popular all over the world.|Many Asian dishes are eaten with chopsticks.', '亚洲食物在世界各地都很受欢迎。|很多亚洲菜是用筷子吃的。', [13]],
  ['food-sweet', 'sweet', 'sweets', '甜食', 'eating as dessert', '当甜点吃', 'Sweets contain a lot of sugar.|Children love sweets at a party.', '甜食里有很多糖。|孩子们在聚会上爱吃甜食。', [13]],
  ['drink', 'drink', 'drinks', '饮料', 'drinking', '喝', 'A drink helps when you are thirsty.|Drinks can be hot or cold.', '口渴的时候可以喝饮料。|饮料有热的，也有冷的。', [13, 6]],
  ['dishware', 'tableware', 'tableware', '餐具', 'eating at the table', '在餐桌上用餐', 'Tableware is used at every meal.|We wash the dishes after eating.', '每顿饭都要用到餐具。|吃完饭我们要洗餐具。', [6]],
  ['place-map', 'map', 'maps', '地图', 'finding the way', '找路', 'Maps show where places are.|Travellers look at a map before a trip.', '地图告诉我们各个地方在哪里。|旅行者出发前会看地图。', [6, 17, 10]],
  ['place-geographic', 'landscape', 'landscapes', '自然风景', 'travelling and hiking', '旅行和徒步', 'Nature has many beautiful landscapes.|People travel far to see a landscape.', '大自然有许多美丽的风景。|人们走很远的路去看风景。', [17, 15]],
  ['place-building', 'building', 'buildings', '建筑', 'living and working', '居住和工作', 'Buildings are made of stone, wood, glass or steel.|People live and work in buildings.', '建筑用石头、木头、玻璃或钢建成。|人们在建筑里居住和工作。', [6, 14, 15]],
  ['place-religious', 'religious place', 'religious places', '宗教场所', 'praying', '祈祷', 'People go to religious places to pray.|Religious places are quiet.', '人们去宗教场所祈祷。|宗教场所很安静。', [6, 15]],
  ['place-other', 'place', 'places', '地方', 'visiting', '游览', 'There are many places to visit.|Every place has its own beauty.', '有很多地方可以游览。|每个地方都有自己的美。', [6, 15, 17, 28, 14]],
  ['transport-ground', 'land transport', 'land transport', '陆上交通', 'travelling on land', '在陆地上出行', 'Land transport moves on roads or rails.|Vehicles take people to work and home again.', '陆上交通在公路或铁路上行驶。|车辆送人们上班和回家。', [6]],
  ['transport-water', 'water transport', 'water transport', '水上交通', 'travelling on water', '在水上出行', 'Boats and ships float on water.|Ships carry goods across the sea.', '船浮在水面上。|轮船把货物运过大海。', [6]],
  ['transport-air', 'air transport', 'air transport', '空中交通', 'travelling through the air', '在空中出行', 'Air transport is fast.|From the air the houses look tiny.', '空中交通速度很快。|从空中看，房子非常小。', [6]],
  ['hotel', 'hotel thing', 'hotel things', '酒店用品', 'staying in a hotel', '住酒店', 'Hotels help guests on their trip.|A traveller rests in a hotel.', '酒店为旅客服务。|旅行的人在酒店休息。', [6]],
  ['time', 'time symbol', 'time symbols', '时间', 'telling the time', '看时间', 'Clocks show hours and minutes.|Time never stops.', '钟表显示小时和分钟。|时间从不停下。', [6, 28]],
  ['sky-weather', 'sky and weather', 'sky and weather', '天空和天气', 'knowing the weather', '了解天气', 'The weather changes every day.|We look at the sky to see the weather.', '天气每天都在变化。|我们抬头看天空，了解天气。', [19, 17, 23, 6]],
  ['event', 'celebration', 'celebrations', '节日庆祝', 'celebrating', '庆祝', 'People celebrate together with family and friends.|A celebration brings joy.', '人们和家人朋友一起庆祝。|庆祝活动带来快乐。', [6, 20, 4, 14]],
  ['award-medal', 'award', 'awards', '奖项', 'honouring a winner', '奖励获胜者', 'Awards are given to the winner.|A winner is proud of the award.', '奖项颁给获胜者。|获胜者为奖项感到自豪。', [6, 10]],
  ['sport', 'sport', 'sports', '体育运动', 'doing sport', '做运动', 'Sport keeps the body strong.|Teams practise before a match.', '运动让身体强壮。|球队在比赛前练习。', [4, 6]],
  ['game', 'game', 'games', '游戏', 'playing', '玩', 'Games are fun for children and adults.|People play games in their free time.', '游戏给孩子和大人带来乐趣。|人们在空闲时玩游戏。', [6, 4]],
  ['arts-crafts', 'art', 'arts', '艺术', 'making art', '创作艺术', 'Art shows how people see the world.|Making things by hand takes patience.', '艺术表现人们眼中的世界。|手工制作需要耐心。', [6, 4]],
  ['clothing', 'clothing', 'clothes', '衣物', 'wearing', '穿戴', 'Clothes keep us warm and make us look nice.|We choose clothes by the weather.', '衣物让我们温暖，也让我们好看。|我们根据天气选择衣物。', [6]],
  ['sound', 'sound device', 'sound devices', '声音设备', 'making sound', '发出声音', 'Sound devices make sounds louder.|A loud sound can be heard far away.', '声音设备能让声音变大。|大的声音传得很远。', [6, 10]],
  ['music', 'music thing', 'music things', '音乐', 'making and hearing music', '演奏和听音乐', 'Music makes people happy.|People listen to music at home and at concerts.', '音乐让人快乐。|人们在家里和音乐会上听音乐。', [6, 10]],
  ['musical-instrument', 'musical instrument', 'musical instruments', '乐器', 'playing music', '演奏音乐', 'Musicians play instruments in a band.|Learning an instrument takes practice.', '音乐家在乐队里演奏乐器。|学习乐器需要练习。', [6]],
  ['phone', 'phone', 'phones', '电话', 'talking to people far away', '和远方的人通话', 'Phones connect people who are far apart.|Today many people carry a phone.', '电话让远方的人连在一起。|如今很多人随身带着手机。', [6]],
  ['computer', 'computer device', 'computer devices', '电脑设备', 'working and storing data', '工作和保存数据', 'Computers help people to work and to learn.|Data is stored on a disk.', '电脑帮助人们工作和学习。|数据保存在磁盘上。', [6]],
  ['light-video', 'light or video device', 'light and video devices', '照明和影像', 'giving light or taking pictures', '照明或拍摄', 'Light helps us to see in the dark.|Cameras keep beautiful moments.', '光让我们在黑暗中看见东西。|相机留下美好的时刻。', [6]],
  ['book-paper', 'book or paper', 'books and papers', '书和纸', 'reading', '阅读', 'Books hold stories and knowledge.|Reading a book is quiet fun.', '书里有故事和知识。|读书是安静的乐趣。', [6, 10]],
  ['money', 'money thing', 'money things', '金钱', 'paying', '付款', 'Money is used to buy things.|It is wise to save some money.', '钱用来买东西。|存一些钱是明智的。', [21, 6, 10]],
  ['mail', 'mail thing', 'mail things', '邮件', 'sending letters', '寄信', 'Letters and parcels come by mail.|The mail carrier brings letters to the door.', '信件和包裹通过邮局送来。|邮递员把信送到门口。', [6, 10]],
  ['writing', 'writing tool', 'writing tools', '书写工具', 'writing and drawing', '写字和画画', 'Writing tools are used at school.|We write down what we want to remember.', '书写工具在学校里常用。|我们把想记住的事写下来。', [6]],
  ['office', 'office thing', 'office things', '办公用品', 'working in an office', '办公', 'Office things help to keep papers in order.|People work at a desk in an office.', '办公用品帮助人们整理文件。|人们在办公桌前工作。', [6, 10]],
  ['lock', 'lock or key', 'locks and keys', '锁和钥匙', 'keeping things safe', '保护东西的安全', 'Locks keep things safe.|A key opens a lock.', '锁能保护东西的安全。|钥匙可以打开锁。', [6]],
  ['tool', 'tool', 'tools', '工具', 'building and repairing', '建造和修理', 'Tools make hard work easier.|A good worker takes care of the tools.', '工具让费力的工作变得轻松。|好工人爱护自己的工具。', [6]],
  ['science', 'science instrument', 'science instruments', '科学仪器', 'doing science', '做科学研究', 'Scientists use instruments to learn about the world.|Science asks questions and tests the answers.', '科学家用仪器了解世界。|科学提出问题并检验答案。', [6, 8, 17]],
  ['medical', 'medical thing', 'medical things', '医疗用品', 'treating sick people', '治疗病人', 'Doctors use medical things to help the sick.|Medicine should be taken with care.', '医生用医疗用品帮助病人。|用药要小心。', [6]],
  ['household', 'household item', 'household items', '家居用品', 'living at home', '居家生活', 'Household items are found in every home.|A clean home is a pleasant home.', '家家户户都有家居用品。|干净的家让人愉快。', [6, 27]],
  ['other-object', 'object', 'objects', '物品', 'everyday life', '日常生活', 'Objects are all around us.|Every object has a use.', '我们身边到处都是物品。|每件物品都有用处。', [6]],
]

/** Kinds by emojibase subgroup name. */
export const kinds: ReadonlyMap<string, Kind> = new Map(
  rows.map(([id, en, pluralEn, zh, useEn, useZh, factsEn, factsZh, senses]) => [
    id,
    { en, zh, pluralEn, useEn, useZh, factsEn: factsEn.split('|'), factsZh: factsZh.split('|'), senses },
  ]),
)
